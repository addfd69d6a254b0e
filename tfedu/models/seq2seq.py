"""Translation with recurrent networks: Seq2Seq without and with attention.

* Sutskever, Vinyals and Le 2014, "Sequence to Sequence Learning with Neural Networks": an encoder squeezes
  the source into its final state, a decoder unrolls the target from it (section 2). `Decoder`.
* Bahdanau, Cho and Bengio 2015, "Neural Machine Translation by Jointly Learning to Align and Translate":
  before each word the decoder looks at all encoder states (equations 4 to 6). `BahdanauDecoder`.
* Luong, Pham and Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation": it
  looks after the recurrent step (section 3, equation 5). `LuongDecoder`.

Where we deviate: one readout ``tanh(W [...])`` in place of Bahdanau's maxout layer; its logits reuse the
target embedding (Press and Wolf 2017), which saves half of the vocabulary's weights; both directions'
final states start the decoder, not the backward one alone; Luong's input feeding is left out, so that a
training step needs no loop over the words; two layers or one where Sutskever has four.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tfedu.attention import Additive, LuongConcat, LuongDot, LuongGeneral, Mechanism, Prepared
from tfedu.blocks.beam import PAD, beam_search, evaluating

#: The recurrent state (layers, B, H): of a GRU h, of an LSTM (h, c).
State = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Seq2SeqConfig:
    """The size and kind of a translator.

    Attributes:
        source_vocab, target_vocab: token types, specials included.
        embedding: width of token vectors.
        hidden: H, width of the decoder's states, and of the encoder's: a bidirectional encoder has half of
            it for each direction.
        layers: of encoder and decoder each.
        cell: the recurrent unit.
        bidirectional: whether the encoder also reads from right to left.
        reverse_source: whether the encoder reads the source backwards (Sutskever et al., section 3.3).
        attention: "additive" gives Bahdanau's decoder; "dot", "general", "concat" give Luong's.
        dropout: on embeddings, between layers, and before the logits.
    """

    source_vocab: int
    target_vocab: int
    embedding: int = 128
    hidden: int = 256
    layers: int = 1
    cell: Literal["lstm", "gru"] = "gru"
    bidirectional: bool = True
    reverse_source: bool = False
    attention: Literal["none", "additive", "dot", "general", "concat"] = "none"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.cell not in ("lstm", "gru"):
            raise ValueError(f"cell is {self.cell!r}; choose 'lstm' or 'gru'.")
        if self.bidirectional and self.hidden % 2:
            raise ValueError(f"hidden is {self.hidden}; two directions need an even number.")


class Memory(NamedTuple):
    """What the decoder may look at: the encoder's states as keys and values, and which of them are real."""

    keys: Prepared
    values: Float[Tensor, "B S H"]
    mask: Bool[Tensor, "B 1 S"]


class Encoder(nn.Module):
    """Reads the source: one state for each word, and the final state."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        directions = 2 if config.bidirectional else 1
        self.embedding = _embedding(config.source_vocab, config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        self.rnn = _recurrent(config, config.embedding, config.hidden // directions, config.bidirectional)
        if config.bidirectional:  # both directions' final states become one
            gates = 2 if config.cell == "lstm" else 1
            self.bridge = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(gates))

    def forward(
        self, source: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"] | None = None
    ) -> tuple[Float[Tensor, "B S H"], State]:
        """States (zeros at padding) and the decoder's initial state; no mask means no padding."""
        lengths = None if mask is None else mask.sum(dim=1)
        if self.config.reverse_source:
            source = _reverse(source, lengths)
        embedded = self.dropout(self.embedding(source))
        if lengths is None:
            states, final = self.rnn(embedded)
        else:
            # Packed, the recurrence never sees padding: the final state is that of the last real word.
            packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
            packed_states, final = self.rnn(packed)
            states, _ = pad_packed_sequence(packed_states, batch_first=True, total_length=source.shape[1])
        if self.config.reverse_source:
            states = _reverse(states, lengths)  # state j belongs to word j again
        if self.config.bidirectional:
            final = self._join(final)
        return states, final

    def _join(self, final: State) -> State:
        parts = final if isinstance(final, tuple) else (final,)
        both = [rearrange(part, "(l d) b h -> l b (d h)", d=2) for part in parts]
        joined = [torch.tanh(linear(part)) for linear, part in zip(self.bridge, both, strict=True)]
        return (joined[0], joined[1]) if len(joined) == 2 else joined[0]


class Decoder(nn.Module):
    """Unrolls the target from the encoder's final state, and from nothing else (Sutskever et al.)."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.embedding = _embedding(config.target_vocab, config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        self.rnn = _recurrent(config, config.embedding + self.context_width(config), config.hidden)
        self.readout = nn.Linear(self.readout_width(config), config.embedding)
        self.bias = nn.Parameter(torch.zeros(config.target_vocab))

    def context_width(self, config: Seq2SeqConfig) -> int:
        """Width of what is fed to the recurrence beside the last word."""
        return 0

    def readout_width(self, config: Seq2SeqConfig) -> int:
        """Width of what the next word is read from."""
        return config.hidden

    def remember(self, states: Float[Tensor, "B S H"], mask: Bool[Tensor, "B S"]) -> Memory | None:
        """What to keep of the encoder's states: here nothing, which is the bottleneck."""
        return None

    def forward(
        self, tokens: Int[Tensor, "B T"], state: State, memory: Memory | None
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """Logits of the word after each of `tokens`, and the state after the last. T = 1 is one step."""
        hidden, state = self.rnn(self.dropout(self.embedding(tokens)), state)
        return self.logits(hidden), state

    def logits(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B T V"]:
        """Scores of all words: the readout against each word's own vector."""
        return F.linear(self.dropout(torch.tanh(self.readout(features))), self.embedding.weight, self.bias)


class LuongDecoder(Decoder):
    """Looks at the encoder's states after each step: ``tanh(W_c [c_t; h_t])`` (Luong et al., equation 5)."""

    def __init__(self, config: Seq2SeqConfig, attention: Mechanism) -> None:
        super().__init__(config)
        self.attention = attention

    def readout_width(self, config: Seq2SeqConfig) -> int:
        """Context and state."""
        return 2 * config.hidden

    def remember(self, states: Float[Tensor, "B S H"], mask: Bool[Tensor, "B S"]) -> Memory:
        """All encoder states, with the keys' part of the score already computed."""
        return Memory(self.attention.prepare(states), states, rearrange(mask, "b s -> b 1 s"))

    def forward(
        self, tokens: Int[Tensor, "B T"], state: State, memory: Memory | None
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """As `Decoder.forward`; the queries of all words are known at once, so there is no loop."""
        assert memory is not None
        queries, state = self.rnn(self.dropout(self.embedding(tokens)), state)
        context = self.attention(queries, memory.keys, memory.values, memory.mask)
        return self.logits(torch.cat([context, queries], dim=-1)), state


class BahdanauDecoder(LuongDecoder):
    """Looks at the encoder's states before each step, which then reads what was seen (equations 4 to 6)."""

    def context_width(self, config: Seq2SeqConfig) -> int:
        """The context enters the recurrence."""
        return config.hidden

    def readout_width(self, config: Seq2SeqConfig) -> int:
        """State, context and the last word, as in the paper's g(y_{i-1}, s_i, c_i)."""
        return 2 * config.hidden + config.embedding

    def forward(
        self, tokens: Int[Tensor, "B T"], state: State, memory: Memory | None
    ) -> tuple[Float[Tensor, "B T V"], State]:
        """As `Decoder.forward`; each query is the state before the step, so the words go one by one."""
        assert memory is not None
        features = []
        for word in self.dropout(self.embedding(tokens)).split(1, dim=1):  # (B, 1, E) each
            query = rearrange((state[0] if isinstance(state, tuple) else state)[-1], "b h -> b 1 h")
            context = self.attention(query, memory.keys, memory.values, memory.mask)
            hidden, state = self.rnn(torch.cat([word, context], dim=-1), state)
            features.append(torch.cat([hidden, context, word], dim=-1))
        return self.logits(torch.cat(features, dim=1)), state


class Seq2Seq(nn.Module):
    """An encoder, and the decoder that `config.attention` asks for.

    Args:
        config: size and kind.
        mechanism: any `Mechanism` for queries and keys of width H, in place of the one that
            `config.attention` names.
    """

    def __init__(self, config: Seq2SeqConfig, mechanism: Mechanism | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        if config.attention == "none":
            self.decoder = Decoder(config)
        else:
            kind = BahdanauDecoder if config.attention == "additive" else LuongDecoder
            self.decoder = kind(config, _mechanism(config) if mechanism is None else mechanism)

    @property
    def cross_attentions(self) -> list[str]:
        """What a trace calls the maps from target to source: one, or none."""
        return [] if self.config.attention == "none" else ["decoder.attention"]

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Seq2Seq:
        """A trained translator: the name of a shipped checkpoint, or the path of a safetensors file.

        Raises:
            tfedu.weights.CheckpointError: if the file is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind="Seq2Seq")
        model = cls(Seq2SeqConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def encode(
        self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"] | None = None
    ) -> tuple[State, Memory | None]:
        """The decoder's initial state and memory."""
        mask = torch.ones_like(source, dtype=torch.bool) if source_mask is None else source_mask
        if mask.shape != source.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"source_mask must be boolean and of the source's shape {tuple(source.shape)}, True = real; "
                f"got {mask.dtype} {tuple(mask.shape)}."
            )
        if source_mask is not None and not (some := mask.any(dim=1)).all():
            raise ValueError(f"row {int((~some).nonzero()[0])} of source_mask has no real word to read.")
        states, final = self.encoder(source, source_mask)
        return final, self.decoder.remember(states, mask)

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target_in: Int[Tensor, "B T"],
        source_mask: Bool[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of each next target word, given the right words before it (teacher forcing).

        `target_in` begins with BOS; the logits at t are for the word that follows ``target_in[:, t]``.
        """
        logits, _ = self.decoder(target_in, *self.encode(source, source_mask))
        return logits

    @torch.no_grad()
    def translate(
        self,
        source: Int[Tensor, "B S"],
        source_mask: Bool[Tensor, "B S"] | None = None,
        *,
        beam: int = 1,
        length_penalty: float = 1.0,
        max_length: int | None = None,
    ) -> list[list[int]]:
        """The best translations found, as ids without BOS, EOS and padding.

        Args:
            source: ids, padded on the right.
            source_mask: which of them are real; None means all.
            beam, length_penalty: see `tfedu.blocks.beam.beam_search`; a beam of 1 is greedy search.
            max_length: longest translation, EOS included; twice the source's length and 10 unless given.

        Raises:
            ValueError: if `beam` or `max_length` is below 1.
        """
        limit = 2 * source.shape[1] + 10 if max_length is None else max_length
        with evaluating(self):
            state, memory = self.encode(source, source_mask)
            each = repeat(torch.arange(len(source), device=source.device), "b -> (b k)", k=max(beam, 1))
            memory = _take_memory(memory, each)
            return beam_search(
                lambda words, state: self.decoder(words, state, memory),
                _take_state(state, each),
                _take_state,
                sentences=len(source),
                beam=beam,
                length_penalty=length_penalty,
                longest=limit,
                device=source.device,
            )


def _embedding(vocabulary: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
    with torch.no_grad():  # torch's default, variance 1, would make the tied logits far too sure at first
        embedding.weight.mul_(width**-0.5)
    return embedding


def _recurrent(config: Seq2SeqConfig, inputs: int, hidden: int, bidirectional: bool = False) -> nn.Module:
    kind = nn.LSTM if config.cell == "lstm" else nn.GRU
    between = config.dropout if config.layers > 1 else 0.0
    return kind(inputs, hidden, config.layers, batch_first=True, dropout=between, bidirectional=bidirectional)


def _mechanism(config: Seq2SeqConfig) -> Mechanism:
    match config.attention:
        case "additive":
            return Additive(config.hidden, config.hidden, config.hidden)
        case "dot":
            return LuongDot()
        case "general":
            return LuongGeneral(config.hidden, config.hidden)
        case "concat":
            return LuongConcat(config.hidden, config.hidden, config.hidden)
    raise ValueError(
        f"attention is {config.attention!r}; choose none, additive, dot, general or concat, or pass one."
    )


def _reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Each row backwards; padding stays at the end."""
    if lengths is None:
        return x.flip(1)
    position = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    last = lengths.unsqueeze(1) - 1
    index = torch.where(position <= last, last - position, position)
    return x.gather(1, index if x.dim() == 2 else repeat(index, "b s -> b s h", h=x.shape[2]))


def _take_state(state: State, rows: Tensor) -> State:
    if isinstance(state, tuple):
        return state[0][:, rows], state[1][:, rows]
    return state[:, rows]


def _take_memory(memory: Memory | None, rows: Tensor) -> Memory | None:
    if memory is None:
        return None
    return Memory(Prepared(memory.keys.keys[rows]), memory.values[rows], memory.mask[rows])
