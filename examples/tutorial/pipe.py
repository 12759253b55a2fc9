"""Two processes talk through a pipe: ``python pipe.py [fork|spawn|forkserver]``."""

import sys

import procession


def answer(connection, end_of_parent):
    """Answer each number with its square, until the other side closes its end."""
    end_of_parent.close()  # or this process would keep the conversation open itself
    while True:
        try:
            number = connection.recv()
        except EOFError:
            break
        connection.send(number * number)


def main():
    """Send three numbers and print the answers."""
    if sys.argv[1:]:
        procession.set_start_method(sys.argv[1])
    here, there = procession.Pipe()
    process = procession.Process(target=answer, args=(there, here))
    process.start()
    there.close()  # the child has its own; this process needs only the other end
    for number in (2, 3, 4):
        here.send(number)
        print(number, "squared is", here.recv())
    here.close()
    process.join()
    print("exit code", process.exitcode)


if __name__ == "__main__":
    main()
