"""`SequenceClusterer`: which sequences belong together."""

from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.utils import check_random_state

from tapehead.errors import UserError, at_least
from tapehead.estimators.embedder import SequenceEmbedder

SCORED = 2000
"""Sequences by which the number of clusters is chosen, at most."""


class SequenceClusterer(ClusterMixin, SequenceEmbedder):
    """Group sequences by vectors that a recurrent network learns for them, without labels.

    ```python
    model = SequenceClusterer(n_clusters=5).fit(X)
    model.labels_, model.predict(X_new)
    ```

    The vectors are those of `SequenceEmbedder`; they are grouped by a clusterer of scikit-learn.
    Whichever that is, a new sequence is of the cluster whose centre, the mean of its vectors, is
    nearest.

    **Arguments:**

    - `n_clusters`: how many, or `None`: from 2 to `max_clusters`, the number with the greatest
      mean silhouette.
    - `max_clusters`: see above.
    - `clusterer`: any clusterer of scikit-learn; `None`: k-means from ten beginnings. Its own
      `n_clusters` and `random_state`, if it has them, are set to those here.
    - the others as of `SequenceEmbedder`.

    **Attributes:** those of `SequenceEmbedder`; `labels_`, the cluster of each sequence of `fit`,
    or -1 if the clusterer left it out, and `vectors_`, those of these sequences, neither in
    its files; `cluster_centers_`; `n_clusters_`; `silhouettes_`, by number of clusters, where
    that was chosen.

    Source: Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis" (1987).
    """

    kind = "clusterer"
    vectors_: Float[np.ndarray, "samples dimensions"]
    labels_: Int[np.ndarray, " samples"]
    cluster_centers_: Float[np.ndarray, "clusters dimensions"]

    def __init__(
        self,
        model: Any = "mingru",
        *,
        n_clusters: int | None = None,
        max_clusters: int = 10,
        clusterer: Any = None,
        dimensions: int = 16,
        size: str = "medium",
        id: Any = None,
        time: Any = None,
        text: str = "words",
        missing: str = "mean",
        held_out: float = 0.1,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 3e-3,
        dropout: float = 0.0,
        patience: int = 20,
        ensemble: int = 1,
        random_state: Any = None,
        verbose: int = 0,
    ):
        super().__init__(
            model,
            dimensions=dimensions,
            size=size,
            id=id,
            time=time,
            text=text,
            missing=missing,
            held_out=held_out,
            max_updates=max_updates,
            batch=batch,
            learning_rate=learning_rate,
            dropout=dropout,
            patience=patience,
            ensemble=ensemble,
            random_state=random_state,
            verbose=verbose,
        )
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.clusterer = clusterer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn vectors for sequences, and group them; as `SequenceEmbedder.fit`."""
        at_least(type(self).__name__, 2, max_clusters=self.max_clusters)
        if self.n_clusters is not None:
            at_least(type(self).__name__, 1, n_clusters=self.n_clusters)
        super().fit(X)
        self.vectors_ = self.embed(X)
        return self._group(self.vectors_)

    def _group(self, vectors: np.ndarray) -> Self:
        """Group the sequences of these vectors."""
        owner, seed = type(self).__name__, check_random_state(self.random_state).randint(2**31 - 1)
        if self.n_clusters is not None and self.n_clusters > len(vectors):
            raise UserError(
                f"{owner}: n_clusters is {self.n_clusters}, but there are {len(vectors)} sequences"
            )

        def grouped(count: int | None) -> np.ndarray:
            maker: Any = KMeans() if self.clusterer is None else clone(self.clusterer)
            known = maker.get_params()
            given = {"n_clusters": count, "random_state": seed}
            given |= {"n_init": 10} if self.clusterer is None else {}
            maker.set_params(**{n: v for n, v in given.items() if n in known and v is not None})
            return np.asarray(maker.fit_predict(vectors))

        self.silhouettes_: dict[int, float] = {}
        chosen, count = None, self.n_clusters
        counted = self.clusterer is None or "n_clusters" in self.clusterer.get_params()
        if count is None and counted:
            if len(vectors) < 3:
                raise UserError(
                    f"{owner}: {len(vectors)} sequences are too few to choose a number of clusters "
                    "by; give n_clusters"
                )
            tried = {}
            for number in range(2, min(self.max_clusters, len(vectors) - 1) + 1):
                labels = tried[number] = grouped(number)
                if 1 < len(np.unique(labels)) < len(vectors):
                    sample = min(SCORED, len(vectors))
                    score = silhouette_score(vectors, labels, sample_size=sample, random_state=seed)
                    self.silhouettes_[number] = float(score)
            count = max(self.silhouettes_, key=lambda n: self.silhouettes_[n], default=2)
            chosen = tried[count]
        self.labels_ = grouped(count) if chosen is None else chosen
        found = np.unique(self.labels_[self.labels_ >= 0])
        if not len(found):
            raise UserError(f"{owner}: the clusterer put no sequence into a cluster")
        self.cluster_centers_ = np.array([vectors[self.labels_ == n].mean(axis=0) for n in found])
        return self

    @property
    def n_clusters_(self) -> int:
        """How many clusters there are."""
        return len(self.cluster_centers_)

    @property
    def _n_features_out(self) -> int:
        return self.n_clusters_

    def decoded(self, outputs: Any) -> Any:
        """Distances to the clusters' centres."""
        xp, vectors = outputs.__array_namespace__(), super().decoded(outputs)
        apart = xp.expand_dims(vectors, -2) - xp.asarray(self.cluster_centers_, vectors.dtype)
        return xp.sqrt((apart**2).sum(axis=-1))

    def embed(self, X: Any) -> Float[np.ndarray, "samples dimensions"]:
        """The vector of each sequence."""
        found = self._outputs(X)[1]
        return self._gathered([super(SequenceClusterer, self).decoded(one) for one in found])

    def transform(self, X: Any) -> Float[np.ndarray, "samples clusters"]:
        """The distance of each sequence to each cluster's centre."""
        return super().transform(X)

    def predict(self, X: Any) -> Int[np.ndarray, " samples"]:
        """The cluster of each sequence: that with the nearest centre."""
        return self.transform(X).argmin(axis=1)

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        silhouettes = {str(number): score for number, score in self.silhouettes_.items()}
        centres = self.cluster_centers_.tolist()
        return {**super().learned(), "centres": centres, "silhouettes": silhouettes}

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.cluster_centers_ = np.array(data["centres"], np.float32)
        self.silhouettes_ = {int(n): float(score) for n, score in data["silhouettes"].items()}
