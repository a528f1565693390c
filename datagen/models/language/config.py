"""The config of a language model: server, model, form of calls, limits and prices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from datagen.core.licenses import license_of
from datagen.core.options import PACE, Options
from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.language.base import LanguageModel
from datagen.models.language.rate_limit import Terms

_OPENAI = "https://api.openai.com/v1"
_WORD = r"^[!-~]*$"
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
_HeaderValue = Annotated[str, Field(pattern=r"^[ -~]*$")]
_OURS = ("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "response_format", "stream", "n")
"""Parameters of a call that the client sets itself, or that change what an answer is."""


class BatchConfig(Options):
    """How calls are put together for OpenAI's batch endpoint, which answers within a day, for half the money."""

    gather_s: float = Field(default=5, gt=0)
    """A batch goes up when no further call came for so many seconds."""
    most: int = Field(default=50_000, ge=1, le=50_000)
    """Calls in one batch."""
    poll_s: float = Field(default=30, gt=0)
    """Seconds between looks at a batch."""


class OpenAIConfig(ModelConfig):
    """A model behind any server that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, llama.cpp."""

    kind: Literal["openai"] = "openai"
    remote: ClassVar[bool] = True
    deterministic: ClassVar[bool] = False
    model: str = Field(min_length=1)
    """The model's name on the server."""
    weights: str = ""
    """What pins the weights behind that name, such as a commit; told in dataset.json, and another one asks anew."""
    weights_license: Annotated[str, PACE] = ""
    """Licence of the weights, or of the answers; needed where `datagen/core/licenses.toml` does not know it."""
    base_url: Annotated[str, PACE] = Field(default=_OPENAI, pattern=r"^https?://[^\s]+$")
    """Where the server is. It may move without anything being asked anew."""
    api_key_env: Annotated[str, PACE] = Field(default="OPENAI_API_KEY", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """Name of the environment variable that holds the key; '' for a server that wants none."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """At 0 the same question is never asked twice, whatever the record; null leaves it to models that take none."""
    max_tokens: int = Field(default=500, ge=1)
    """Longest answer, with the thoughts of a model that has them."""
    structure: Literal["schema", "object", "text"] = "schema"
    """How the server is told the answer's form: by its JSON schema, by asking for JSON, or in the prompt alone."""
    repairs: int = Field(default=2, ge=0, le=10)
    """How often a model that answers in another form is told what was wrong."""
    parameters: Annotated[Mapping[str, JsonValue], PACE] = {}
    """Further parameters of each call, by their names in the API, such as `{reasoning_effort: low, seed: 7}`."""
    image_side: int = Field(default=1024, ge=64, le=4096)
    """Longest side of a picture that is sent, in pixels."""
    timeout_s: Annotated[float, PACE] = Field(default=120, gt=0)
    """Seconds that one call may take."""
    retries: Annotated[int, PACE] = Field(default=5, ge=0, le=20)
    """How often a call is repeated that the server or the network failed; being told to wait does not count."""
    largest_reply_mb: Annotated[float, PACE] = Field(default=16, gt=0, le=2000)
    """Largest answer of the server, in millions of bytes as inflated; a larger one is not read further, but cut off."""
    organization: Annotated[str, PACE] = Field(default="", pattern=_WORD)
    """OpenAI's organisation that is billed; '' for the key's own, or that in OPENAI_ORG_ID."""
    project: Annotated[str, PACE] = Field(default="", pattern=_WORD)
    """OpenAI's project that is billed; '' for the key's own, or that in OPENAI_PROJECT_ID."""
    azure_api_version: Annotated[str, PACE] = Field(default="", pattern=_WORD)
    """Version of Azure OpenAI's API, such as 2024-10-21; `base_url` is then the resource's, `model` a deployment."""
    proxy: Annotated[str, PACE] = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    """Proxy of all calls; '' for that of the environment, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""
    headers: Annotated[Mapping[_HeaderName, _HeaderValue], PACE] = {}
    """Further HTTP headers of each call; never keys."""
    query: Annotated[Mapping[str, str], PACE] = {}
    """Further parameters of the URL of each call; never keys."""
    longest_wait_s: Annotated[float, PACE] = Field(default=120, gt=0)
    """Longest that a server may have calls wait, at once or in all without taking one; then the run ends, resumably."""
    batch: Annotated[BatchConfig | None, PACE] = None
    """Calls go up together in files, by the batch endpoint; `{}` for its usual pace, null for each call at once."""
    requests_per_minute: Annotated[float | None, PACE] = Field(default=None, gt=0)
    """Of the whole run, on all machines."""
    tokens_per_minute: Annotated[float | None, PACE] = Field(default=None, gt=0)
    """Of the whole run, in and out."""
    tokens_a_picture: Annotated[int | None, PACE] = Field(default=None, ge=1)
    """Most tokens that a picture is billed as, for limits and budgets; null guesses, and learns from earlier calls."""
    usd_per_million_in: Annotated[float | None, PACE] = Field(default=None, ge=0)
    """Price of a million tokens that are sent."""
    usd_per_million_out: Annotated[float | None, PACE] = Field(default=None, ge=0)
    """Price of a million tokens that are answered."""
    budget_usd: Annotated[float | None, PACE] = Field(default=None, gt=0)
    """What one run may spend on this model under these limits; then it ends; the same command has as much again."""
    budget_tokens: Annotated[int | None, PACE] = Field(default=None, gt=0)
    """Tokens that one run may use of this model, in and out; then it ends likewise."""

    @property
    def revision(self) -> str:
        """The name of the model, what pins its weights, and a hash of further parameters.

        The parameters are here and not among the options of a fingerprint, so that without them it is as it always was.
        """
        pinned = f"@{self.weights}" if self.weights else ""
        text = json.dumps(dict(self.parameters), sort_keys=True)
        further = f"+{hashlib.sha256(text.encode()).hexdigest()[:8]}" if self.parameters else ""
        return f"{self.kind}@{self.version}:{self.model}{pinned}{further}"

    @property
    def effective_license(self) -> str | None:
        """The licence from the config, else the known licence of a model with that name."""
        return self.weights_license or license_of(self.model)

    @property
    def terms(self) -> Terms:
        """The limits of these calls. All calls of a run under equal terms share one limiter."""
        return Terms(
            server=self.base_url,
            model=self.model,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            budget_usd=self.budget_usd,
            budget_tokens=self.budget_tokens,
        )

    @property
    def lost_after_s(self) -> float:
        """Seconds after which an unsettled call counts as lost, and its estimate as used."""
        return _DAYS_S if self.batch else self.timeout_s + _SPARE_S

    @property
    def lost_upload_s(self) -> float:
        """Seconds after which a stored batch without an id will never get one: longer than all retries take."""
        return 2 * self.timeout_s * (self.retries + 1) + _SPARE_S

    @field_validator("parameters")
    @classmethod
    def _not_ours(cls, parameters: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        for name in parameters:
            if name in _OURS:
                raise ValueError(f"`{name}` is not among the further parameters: datagen sets it itself")
        return parameters

    @model_validator(mode="after")
    def _placed(self) -> OpenAIConfig:
        if self.azure_api_version and self.base_url == _OPENAI:
            raise ValueError("azure_api_version needs base_url, such as https://my-resource.openai.azure.com")
        return self

    @model_validator(mode="after")
    def _priced(self) -> OpenAIConfig:
        if self.budget_usd is not None and None in (self.usd_per_million_in, self.usd_per_million_out):
            raise ValueError("budget_usd needs the prices, usd_per_million_in and usd_per_million_out")
        return self

    def load(self, device: str, *, runtime: Runtime) -> LanguageModel:  # noqa: ARG002
        """The model's client; it needs no device. Raises `SetupError` if there is no key for it."""
        from datagen.models.language.client import OpenAIModel

        return OpenAIModel(self, runtime=runtime)


_SPARE_S = 30.0
"""Seconds beyond the time-out until an unsettled call counts as lost."""
_DAYS_S = 2 * 86_400.0
"""The same for a batch, which ends within a day."""

LanguageModelConfig = OpenAIConfig
"""Every kind of language model, selected by `kind`."""
