"""`tapehead fit cluster`: group the sequences of a table."""

from argparse import Namespace
from typing import Any

from tapehead.errors import UserError


def cluster(given: Namespace, table: Any, command: str) -> int:
    """Group the sequences; where `--target` names true groups, these are only compared with."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score
    from sklearn.preprocessing import StandardScaler

    from tapehead.cli.fit import conclude, settings
    from tapehead.estimators import SequenceClusterer
    from tapehead.estimators.baselines import summary
    from tapehead.estimators.reading import expect_column
    from tapehead.inspection.report.content import Tile
    from tapehead.inspection.report.fitted import ClusterMap

    if given.target is not None and len(given.target) != 1:
        raise UserError("fit cluster: --target names one column, the groups to compare with")
    target = None if given.target is None else given.target[0]
    sequences = table
    if target is not None:
        expect_column(table, target, "target")
        sequences = table.drop(columns=target)
    model = SequenceClusterer(n_clusters=given.clusters, **settings(given))
    model.fit(sequences)
    read = model.read(sequences)
    vectors, labels, count = model.vectors_, model.labels_, model.n_clusters_

    sizes = [[f"cluster {k}", str(int((labels == k).sum()))] for k in range(count)]
    names, rows, scored = ["", "sequences"], sizes, "How many sequences there are in each cluster."
    tiles = [
        Tile("clusters", str(count), "by silhouette" if given.clusters is None else "as asked for"),
        Tile("sequences", str(len(labels))),
        Tile("updates", str(model.n_updates_)),
    ]
    if target is not None:
        if table[target].isna().any():
            raise UserError(f"table: the target '{target}' is missing in some rows; leave them out")
        positions = [part[0] for part in read.rows] if read.rows else np.arange(len(table))
        truth = table[target].to_numpy()[positions].astype(str)
        marks = {f"the network ({model.recipe_name()})": adjusted_rand_score(truth, labels)}
        if not model.schema_.categories:
            features = np.nan_to_num([summary(model.schema_.numbers(x)) for x in read.sequences])
            scaled = StandardScaler().fit_transform(features)
            begun: Any = 10
            found = KMeans(count, n_init=begun, random_state=given.seed).fit_predict(scaled)
            marks["k-means on summary features"] = adjusted_rand_score(truth, found)
        names, rows = ["", "adjusted Rand index"], [[n, f"{v:.4f}"] for n, v in marks.items()]
        scored = f"Beside the groups in '{target}', which were not learned from."
        tiles.insert(0, Tile("adjusted Rand index", rows[0][1], "1: the same groups, 0: chance"))
    # So that the column may be there when it predicts.
    model.target_ = target
    plane = PCA(min(2, *vectors.shape)).fit(vectors)
    points = np.zeros((len(vectors), 2))
    points[:, : plane.n_components_] = plane.transform(vectors)
    shown = ClusterMap(points, labels, float(plane.explained_variance_ratio_.sum()))
    split = (
        f"{model.parts_['learned']} sequences to learn vectors from, {model.parts_['held_out']} to "
        "stop by; all are grouped."
    )
    if model.silhouettes_:
        tried = ", ".join(f"{n}: {v:.3f}" for n, v in model.silhouettes_.items())
        split += f" Mean silhouette by number of clusters: {tried}."
    return conclude(
        given, model, table, command, tiles, split, (names, rows), clusters=shown, scored=scored
    )
