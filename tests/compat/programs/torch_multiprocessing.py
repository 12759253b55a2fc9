"""torch.multiprocessing: tensors in shared memory, through queues, pipes and pools; its `spawn`."""

import sys

import torch
import torch.multiprocessing as mp
from torch.multiprocessing import queue


def consume(tensors, results, connection):
    total = 0.0
    for tensor in iter(tensors.get, None):
        total += tensor.sum().item()
        tensor.fill_(-1.0)  # seen by who sent it: it is the same memory
    results.put((total, connection.recv().tolist()))
    kept = torch.arange(5.0)
    results.put(kept)
    connection.recv()  # the receiver has it


def square(tensor):
    return tensor * tensor


def add_rank(rank, shared, lock):
    with lock:
        shared[rank] += 10 * (rank + 1)


def fail(rank):
    if rank == 1:
        raise ValueError("no 1")


def queues(context):
    sent, results = context.Queue(), context.SimpleQueue()
    ours, theirs = context.Pipe()
    process = context.Process(target=consume, args=(sent, results, theirs))
    process.start()
    tensors = [torch.ones(3), torch.ones(1000, 100)]
    for tensor in tensors:
        sent.put(tensor)
    sent.put(None)
    ours.send(torch.tensor([1, 2]))
    print(results.get(), results.get())
    ours.send(None)
    process.join()
    print(process.exitcode, [tensor.min().item() for tensor in tensors])


def pools(context):
    with context.Pool(2) as workers:
        print(workers.map(square, [torch.tensor(n) for n in range(6)]))
        print([each.sum().item() for each in workers.imap(square, torch.ones(4, 10_000))])


def own_queues(context):
    """The classes that torch derives from those of multiprocessing."""
    for made in queue.Queue(ctx=context), queue.SimpleQueue(ctx=context):
        made.put(torch.ones(2))
        print(made.get(), made.empty())


def spawns(method, context):
    shared = torch.zeros(3).share_memory_()
    mp.start_processes(add_rank, (shared, context.Lock()), nprocs=3, start_method=method)
    print(shared.tolist())
    try:
        mp.start_processes(fail, nprocs=2, start_method=method)
    except mp.ProcessRaisedException as error:
        print("error:", str(error).strip().splitlines()[-1])


def main(method):
    torch.set_num_threads(1)
    mp.set_start_method(method)
    mp.set_sharing_strategy(sys.argv[2] if len(sys.argv) > 2 else "file_descriptor")
    context = mp.get_context(method)
    queues(context)
    pools(context)
    own_queues(context)
    spawns(method, context)


if __name__ == "__main__":
    main(sys.argv[1])
