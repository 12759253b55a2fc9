"""Workers take orders from one queue and answer into another: ``python workers.py [method]``."""

import sys

import procession


def work(orders, results):
    """Do each order until there will be no more."""
    for number in orders.iter_until_closed():
        results.put((number, number**2))


if __name__ == "__main__":
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    orders, results = procession.Queue(), procession.Queue()
    workers = [procession.Process(target=work, args=(orders, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for number in range(5):
        orders.put(number)
    orders.shutdown()  # what is there can still be taken; then the workers' loops end
    for worker in workers:
        worker.join()
    for number, square in sorted(results.get() for _ in range(5)):
        print(number, square)
