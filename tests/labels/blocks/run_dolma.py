"""Runs under a Python that has dolma: its fastText tagger with our model, and its mixer over our attributes."""

import json
import sys
from pathlib import Path


def tag(model: str, texts: list[str]) -> list[tuple[str, float, int]]:
    from dolma.core.data_types import Document
    from dolma.core.ft_tagger import BaseFastTextTagger, Prediction

    class Tagger(BaseFastTextTagger):
        def __init__(self) -> None:
            super().__init__(model_path=model, model_mode=self.DOCUMENT_LEVEL_TAGGER)

        def predict_slice(self, text_slice):
            labels, scores = self.classifier.predict(text_slice.text, k=1)
            return [Prediction(label, float(score)) for label, score in zip(labels, scores, strict=True)]

    tagger = Tagger()
    results = [tagger.predict(Document(source="made", id=str(i), text=text)) for i, text in enumerate(texts)]
    return [(span.type, span.score, span.end) for result in results for span in result.spans]


if __name__ == "__main__":
    task = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(tag(task["model"], task["texts"])))
