"""pandarallel: apply in processes, without progress and with it."""

import contextlib
import io

import pandas as pd
from pandarallel import pandarallel


def double(value):
    return value * 2


def main(progress_bar):
    pandarallel.initialize(nb_workers=2, progress_bar=progress_bar, verbose=0)
    frame = pd.DataFrame({"group": [0, 1] * 50, "value": range(100)})
    with contextlib.redirect_stdout(io.StringIO()):  # the bars are drawn as time goes by
        doubled = frame["value"].parallel_apply(double)
        added = frame.parallel_apply(lambda row: row["value"] + row["group"], axis=1)
        most = frame.groupby("group").parallel_apply(lambda part: part["value"].max())
    print(doubled.sum(), added.sum(), most.tolist())


if __name__ == "__main__":
    for progress_bar in (False, True):
        main(progress_bar)
