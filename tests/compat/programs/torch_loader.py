"""torch's DataLoader with workers, which keep their order and may live on for a second round."""

import sys

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Squares(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.full((3,), float(index * index)), index


class Stream(IterableDataset):
    def __iter__(self):
        worker = get_worker_info()
        yield from range(worker.id, 12, worker.num_workers)


class Faulty(Squares):
    def __getitem__(self, index):
        if index == 7:
            raise ValueError("no 7")
        return super().__getitem__(index)


def loader(dataset, **options):
    options["multiprocessing_context"] = sys.argv[1]
    return DataLoader(dataset, batch_size=4, num_workers=2, **options)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    kept = loader(Squares(), shuffle=True, persistent_workers=True)
    for _ in range(2):
        print([(values.sum().item(), indices.tolist()) for values, indices in kept])
    del kept
    print(sorted(int(n) for batch in loader(Stream()) for n in batch))
    try:
        list(loader(Faulty()))
    except ValueError as error:
        print("error:", str(error).splitlines()[0])
    if sys.argv[1] == "fork":  # the others take long to import torch
        next(iter(loader(Squares(), prefetch_factor=4)))  # the rest is not fetched


if __name__ == "__main__":
    main()
