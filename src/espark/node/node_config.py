"""``node.toml``: who may send, when a case is complete, and where results go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from espark.strict_toml import Positive, Section, read_section

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Need = Literal["required", "wanted", "ignored"]


class Sender(Section):
    """``[[senders]]``: an application entity that may send images."""

    ae_title: AeTitle
    host: str = Field(description="IP address from which it connects.")


class Listener(Section):
    """``[listener]``: the C-STORE service."""

    ae_title: AeTitle = "ESPARK"
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = 11112
    associations: Annotated[int, Field(ge=1, le=100)] = 10
    timeout_seconds: Positive = 60.0
    certificate: Path | None = Field(None, description="PEM file; with key and authorities, TLS is required.")
    key: Path | None = None
    authorities: Path | None = None

    @model_validator(mode="after")
    def _whole_tls(self) -> Listener:
        given = [self.certificate, self.key, self.authorities]
        if any(given) and not all(given):
            raise ValueError("TLS needs certificate, key and authorities")
        return self


class Peer(Section):
    """``[[peers]]``: a system that gets results, or from which images are fetched."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    results: bool = Field(False, description="Whether it gets the results.")
    ae_title: AeTitle | None = None
    host: str | None = None
    port: Port | None = None
    commitment: bool = Field(False, description="Whether it must confirm by storage commitment that it keeps results.")
    retrieve: Literal["move", "get"] = Field("move", description="How espark fetch gets images over DIMSE.")
    url: str | None = Field(None, description="DICOMweb address, such as https://pacs.example/dicom-web.")
    user: str | None = None
    password_file: Path | None = None
    watch: bool = Field(False, description="Whether new images are looked for there, by DICOMweb.")
    authorities: Path | None = Field(None, description="PEM file with the authorities that the peer's certificate has.")
    certificate: Path | None = Field(None, description="PEM file; with key and authorities, DIMSE uses TLS.")
    key: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Peer:
        dimse = [self.ae_title, self.host, self.port]
        if (self.url is None) == (not all(dimse)) or (self.url is not None and any(dimse)):
            raise ValueError("give either url, or ae_title, host and port")
        if (self.certificate is None) != (self.key is None) or (self.certificate and not self.authorities):
            raise ValueError("TLS needs certificate, key and authorities")
        if self.commitment and self.url is not None:
            raise ValueError("commitment needs ae_title, host and port; DICOMweb has no storage commitment")
        if self.watch and self.url is None:
            raise ValueError("watch needs url; over DIMSE the peer sends to the listener by itself")
        return self


class Watch(Section):
    """``[watch]``: how often peers with ``watch = true`` are asked for new images."""

    seconds: Positive = 60.0
    days: Annotated[int, Field(ge=0)] = Field(1, description="Studies of today and so many days before.")


class Rules(Section):
    """``[complete]``: when a study is complete."""

    ct: Need = "required"
    slides: Need = "wanted"
    quiet_seconds: Annotated[float, Field(ge=0)] = Field(120.0, description="Nothing came for so long.")
    min_images: Annotated[int, Field(ge=2)] = Field(20, description="Fewest images of a CT series.")
    wait_hours: Annotated[float, Field(ge=0)] = Field(24.0, description="How long what is wanted is waited for.")


class Limits(Section):
    """``[limits]``: what one sender can do to this machine."""

    instance_mb: Positive = 1024.0
    disk_gb: Positive = 200.0
    keep_hours: Annotated[float, Field(ge=0)] = Field(24.0, description="Images stay so long after the last one came.")
    predict_hours: Positive = 2.0


class Delivery(Section):
    """``[delivery]``: how often a peer that is away is tried again."""

    first_wait_seconds: Positive = 10.0
    longest_wait_seconds: Positive = 1800.0
    attempts: Annotated[int, Field(ge=1)] = 100
    commitment_seconds: Positive = Field(3600.0, description="How long a report of storage commitment is waited for.")


class NodeConfig(Section):
    """Everything in ``node.toml``."""

    folder: Path = Field(description="Where the node keeps images, cases and results.")
    model: Path = Field(description="Folder of a trained model.")
    listener: Listener = Listener()
    senders: tuple[Sender, ...] = ()
    peers: tuple[Peer, ...] = ()
    watch: Watch = Watch()
    complete: Rules = Rules()
    limits: Limits = Limits()
    delivery: Delivery = Delivery()

    @model_validator(mode="after")
    def _names_are_unique(self) -> NodeConfig:
        names = [peer.name for peer in self.peers]
        if len(set(names)) != len(names):
            raise ValueError("two peers have the same name")
        return self

    @property
    def receivers(self) -> tuple[Peer, ...]:
        """The peers that get results."""
        return tuple(peer for peer in self.peers if peer.results)


def read_node_config(path: Path) -> NodeConfig:
    """Read ``node.toml``. Relative paths start from its folder.

    Raises:
        ConfigError: when the file is missing or is not TOML.
        InputProblems: with every key that is unknown or has an unusable value.
    """
    config = read_section(path, NodeConfig)
    root = path.resolve().parent
    return _from_folder(root, config).model_copy(
        update={
            "listener": _from_folder(root, config.listener),
            "peers": tuple(_from_folder(root, peer) for peer in config.peers),
        }
    )


_SectionT = TypeVar("_SectionT", bound=Section)


def _from_folder(root: Path, section: _SectionT) -> _SectionT:
    """The section with its relative paths below a folder."""
    paths = {name: root / value for name, value in section if isinstance(value, Path)}
    return section.model_copy(update=paths)
