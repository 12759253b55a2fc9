"""scikit-learn: a search and a forest on joblib's multiprocessing backend, and on loky."""

import sys

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score


def main(backend):
    features, classes = make_classification(200, 8, random_state=0)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3)
        search.fit(features, classes)
        print(search.best_params_, search.cv_results_["mean_test_score"].round(6).tolist())
        print(cross_val_score(LogisticRegression(), features, classes, cv=4).tolist())
        forest = RandomForestClassifier(20, random_state=0).fit(features, classes)
        print(forest.score(features, classes))


if __name__ == "__main__":
    import multiprocessing

    multiprocessing.set_start_method(sys.argv[1])
    main("multiprocessing")
    if sys.argv[1] == "fork":  # it does not depend on the start method
        main("loky")
