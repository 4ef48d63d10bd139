"""Text -> unit vectors."""

from gemix.embed.base import Embedder, TokenEmbedder
from gemix.embed.documents import EmbedResult, embed_documents
from gemix.embed.factory import make_embedder
from gemix.embed.further import embed_further

__all__ = ["EmbedResult", "Embedder", "TokenEmbedder", "embed_documents", "embed_further", "make_embedder"]
