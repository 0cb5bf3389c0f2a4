"""Model folders from and to the Hugging Face hub; HF_ENDPOINT and HF_TOKEN are as everywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sparring.errors import InputError
from sparring.model import CARD, CONFIG, WEIGHTS

PREFIX = "hf:"


def fetch(name: str, runs_code: bool = False) -> Path:
    """The folder of the model USER/NAME, downloaded or from the cache.

    Unless `runs_code`, InputError for one whose generator is code of its author's own.
    """
    hub = _client()
    with _told(f"{PREFIX}{name}"):
        config = Path(hub.hf_hub_download(name, CONFIG))
        hub.hf_hub_download(name, WEIGHTS, revision=config.parent.name)  # those that belong to it
    generator = ""
    with suppress(ValueError, KeyError, TypeError):  # reading the model says what is wrong
        generator = str(json.loads(config.read_text())["generator"]["name"])
    if ":" in generator and not runs_code:
        raise InputError(
            f"the generator of `{PREFIX}{name}` is code of its author's own (`{generator}`), which "
            "is not run",
            "give its constructor: sparring.load(..., generator=...)",
        )
    return config.parent


def upload(folder: Path, name: str, private: bool = False) -> str:
    """Put a model folder on the hub as USER/NAME, made if need be; returns its address."""
    hub = _client()
    files = [CONFIG, WEIGHTS, CARD]
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise InputError(
            f"`{folder}` holds no model: {missing[0]} is missing",
            "the model of a run is written when training ends",
        )
    with _told(f"{PREFIX}{name}"):
        made = hub.create_repo(name, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            allow_patterns=files,
            commit_message="A generator trained with Sparring",
        )
    return str(made)


def _client() -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise InputError("the hub needs huggingface_hub", "pip install 'sparring[hub]'") from None
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="sparring")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the hub or the way to it refuses, in one sentence."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError:
        raise InputError(f"`{what}` is no name of a model", "write it as hf:USER/NAME") from None
    except errors.LocalEntryNotFoundError:
        raise InputError(
            f"`{what}` cannot be had: the hub does not answer, and it was not fetched before",
            "check the network, or load a folder with its files",
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"there is no model `{what}`, or it is not yours to see",
            "check the name; for a private one set HF_TOKEN",
        ) from None
    except errors.EntryNotFoundError:
        raise InputError(
            f"`{what}` is no model of this program: {CONFIG} or {WEIGHTS} is missing",
            "check the name",
        ) from None
    except Exception as error:  # its errors, and those of the client below it, share no base
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"`{what}` cannot be reached: {reason}", "check the network, and HF_TOKEN"
        ) from None
