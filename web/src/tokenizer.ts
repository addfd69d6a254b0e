// Text as ids and back, exactly as tfedu.data.text does it in Python: the translators were trained on those ids, and
// a sentence cut in another way is another sentence to them. The JSON comes with the model, among its extras.

import { LiveFileError } from "./safetensors.ts";

export interface Tokenizer {
  /** How many ids there are; the first four are the specials. */
  readonly size: number;
  /** The ids of a sentence, without specials but for the id of `<unk>`, which stands for what was never seen. */
  encode(text: string): number[];
  /** The sentence up to the first `<eos>`. */
  decode(ids: Iterable<number>): string;
  /** One readable label for each id. */
  tokens(ids: Iterable<number>): string[];
}

const SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"];
const [PAD, BOS, EOS, UNK] = SPECIALS.keys();
const SPACE = "▁"; // how a subword says that a space stands before it

// White space by name: JavaScript's \s has the byte-order mark too, and lacks U+0085. Python's also has four
// separators of old files.
const WHITE = /[\p{White_Space}\x1c-\x1f]+/u;
const OUTER_WHITE = new RegExp(`^${WHITE.source}|${WHITE.source}$`, "gu");
const strip = (text: string) => text.replace(OUTER_WHITE, "");

/** The tokenizer that `to_json` wrote in Python, whichever of them it is. */
export function tokenizerFromJson(text: string): Tokenizer {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    // Reported below, as is JSON of another kind.
  }
  const { words: list, characters: letters, model } = (written ?? {}) as { words?: unknown; characters?: unknown; model?: Partial<Written["model"]> };
  if (Array.isArray(list) && list.every((word) => typeof word === "string")) return words(list);
  if (typeof letters === "string") return characters(letters);
  if (model?.vocab && model.type === "WordPiece") return wordPieces(written as WrittenPieces);
  if (model?.vocab && Array.isArray(model.merges) && model.merges.every(Array.isArray)) return subwords(written as Written);
  throw new LiveFileError("the model file is damaged: its tokenizer cannot be read.");
}

/** Words of a closed list, set apart by white space: word i has id 4 + i. */
function words(list: string[]): Tokenizer {
  const names = [...SPECIALS, ...list];
  const ids = new Map(list.map((word, i) => [word, SPECIALS.length + i]));
  const tokens = (of: Iterable<number>) => Array.from(of, (id) => named(names, id));
  return {
    size: names.length,
    encode: (text) => strip(text).split(WHITE).filter(Boolean).map((word) => ids.get(word) ?? UNK),
    decode: (of) => tokens(content(of)).join(" "),
    tokens,
  };
}

/** Characters of a closed list: character i has id 4 + i. */
function characters(list: string): Tokenizer {
  const names = [...SPECIALS, ...list];
  const ids = new Map([...list].map((one, i) => [one, SPECIALS.length + i]));
  return {
    size: names.length,
    encode: (text) => Array.from(text, (one) => ids.get(one) ?? UNK),
    decode: (of) => content(of).map((id) => named(names, id)).join(""),
    tokens: (of) => Array.from(of, (id) => ({ " ": "␣", "\n": "↵" })[named(names, id)] ?? names[id]),
  };
}

// The parts of the JSON (the format of the `tokenizers` library) that the page needs.
interface Written {
  normalizer: unknown;
  pre_tokenizer: unknown;
  model: { type: string; vocab: Record<string, number>; merges: [string, string][] } & Record<string, unknown>;
}

/** Byte-pair encoding: cut the text into words, then glue letters together in the order that was learnt. */
function subwords(written: Written): Tokenizer {
  const { vocab, merges } = written.model;
  const lowercase = understood(written);
  const ids = new Map(Object.entries(vocab));
  const pieces: string[] = [];
  for (const [piece, id] of ids) pieces[id] = piece;
  if (pieces.length !== ids.size || SPECIALS.some((name, id) => pieces[id] !== name)) {
    throw new LiveFileError("the model file is damaged: its tokenizer's pieces are not numbered as they should be.");
  }
  // The pair of ids (a, b), as one number, to its rank among the merges and the id of what it becomes.
  const key = (a: number, b: number) => a * pieces.length + b;
  const learnt = new Map<number, { rank: number; into: number }>();
  for (const [rank, [a, b]] of merges.entries()) {
    const [left, right, into] = [ids.get(a), ids.get(b), ids.get(a + b)];
    if (left === undefined || right === undefined || into === undefined) {
      throw new LiveFileError(`the model file is damaged: its tokenizer merges ${a} and ${b}, but lacks a piece.`);
    }
    learnt.set(key(left, right), { rank, into });
  }

  /** One word: its letters, of which the pair learnt first is merged, the leftmost if there are several, and again. */
  function encodeWord(word: string): number[] {
    const out: number[] = [];
    let seen = true;
    for (const letter of word) {
      const id = ids.get(letter);
      if (id !== undefined) out.push(id);
      else if (seen) out.push(UNK); // a run of unknown letters is one <unk>
      seen = id !== undefined;
    }
    const pair = (i: number) => learnt.get(key(out[i], out[i + 1]));
    // pairs[i] is what out[i] and its right neighbour make; a merge changes it for the two beside it alone.
    const pairs = out.slice(1).map((_, i) => pair(i));
    for (;;) {
      let best = -1;
      for (let i = 0; i < pairs.length; i++) {
        if ((pairs[i]?.rank ?? Infinity) < (pairs[best]?.rank ?? Infinity)) best = i;
      }
      if (best < 0) return out;
      out.splice(best, 2, pairs[best]!.into);
      pairs.splice(best, 1);
      if (best > 0) pairs[best - 1] = pair(best - 1);
      if (best < pairs.length) pairs[best] = pair(best);
    }
  }

  return {
    size: pieces.length,
    encode: (text) => cut(normal(text, lowercase)).flatMap(encodeWord),
    decode: (of) => strip(content(of).map((id) => named(pieces, id)).join("").replaceAll(SPACE, " ")),
    tokens(of) {
      let before = SPACE;
      return Array.from(of, (id) => {
        const piece = named(pieces, id);
        const goesOn = /^[\p{L}\p{N}]/u.test(piece) && /[\p{L}\p{N}]$/u.test(before);
        before = piece;
        if (goesOn) return `·${piece}`; // a piece that goes on with a word
        return (piece.startsWith(SPACE) ? piece.slice(SPACE.length) : piece) || "␣";
      });
    },
  };
}

/** One form of each accented letter, and single spaces. */
function normal(text: string, lowercase: boolean): string {
  let out = text.normalize("NFC");
  // Letter by letter: a whole word would turn its last sigma into another letter.
  if (lowercase) out = Array.from(out, (letter) => letter.toLowerCase()).join("");
  return out.replace(/[\p{White_Space}▁]+/gu, " ").replace(/^ | $/g, "");
}

/** Words and punctuation marks, each with the space before it. */
function cut(text: string): string[] {
  if (!text) return [];
  return (SPACE + text.replaceAll(" ", SPACE)).match(/▁?\p{P}|▁?[^▁\p{P}]+/gu) ?? [];
}

/** `normal`, `cut` and `encodeWord` as the JSON describes them. What it says beyond `lowercase` never varies. */
function recipe(lowercase: boolean): unknown {
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        ...(lowercase ? [{ type: "Lowercase" }] : []),
        { type: "Replace", pattern: { Regex: "[\\s▁]+" }, content: " " },
        { type: "Strip", strip_left: true, strip_right: true },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: false },
        { type: "Split", pattern: { Regex: "▁?\\p{P}|▁?[^▁\\p{P}]+" }, behavior: "Isolated", invert: false },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: false,
      ignore_merges: false,
    },
  };
}

/** Whether the tokenizer lowers its letters. A tokenizer that would cut otherwise than this page is refused. */
function understood({ normalizer, pre_tokenizer, model }: Written): boolean {
  const { vocab: _, merges: __, ...rest } = model;
  const found = JSON.stringify({ normalizer, pre_tokenizer, model: rest });
  for (const lowercase of [false, true]) {
    if (found === JSON.stringify(recipe(lowercase))) return lowercase;
  }
  throw new LiveFileError("this page cannot read the model's tokenizer: SubwordTokenizer.train makes one that it can.");
}

function named(names: readonly string[], id: number): string {
  const name = names[id];
  if (name === undefined) throw new RangeError(`id ${id} is outside this vocabulary of ${names.length}: whose ids are these?`);
  return name;
}

/** What a reader should see: everything before the first `<eos>`, without padding and `<bos>`. */
function content(ids: Iterable<number>): number[] {
  const all = [...ids];
  const end = all.indexOf(EOS);
  return (end < 0 ? all : all.slice(0, end)).filter((id) => id !== PAD && id !== BOS);
}

// --- WordPiece: BERT's own ---------------------------------------------------------------------------------------

interface WrittenPieces {
  normalizer: { type: string; lowercase: boolean } & Record<string, unknown>;
  pre_tokenizer: { type: string };
  added_tokens?: { id: number; content: string }[];
  model: { type: string; vocab: Record<string, number>; unk_token: string; continuing_subword_prefix: string; max_input_chars_per_word: number };
}

// What the `tokenizers` library takes for punctuation (with all of ASCII's signs), for a character without a look of its
// own, and for a letter of a script without spaces. Its tables are older than the browser's: a few signs of rare
// scripts, added to Unicode since, are cut otherwise.
const MARK = /([\p{P}$+<=>^`|~])/u;
const INVISIBLE = /(?![\t\n\r])[\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
const SPACELESS = /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** WordPiece: cut the text at spaces and punctuation, then take from each word the longest piece that is known, and again. */
function wordPieces(written: WrittenPieces): Tokenizer {
  const { vocab, unk_token: unknown, continuing_subword_prefix: goesOn, max_input_chars_per_word: longest } = written.model;
  const { type, clean_text, handle_chinese_chars, strip_accents, lowercase } = written.normalizer ?? {};
  const read = type === "BertNormalizer" && clean_text && handle_chinese_chars && written.pre_tokenizer?.type === "BertPreTokenizer";
  if (!read) throw new LiveFileError("this page cannot read the model's tokenizer: it cuts otherwise than BERT's does.");
  const ids = new Map(Object.entries(vocab));
  const pieces: string[] = [];
  for (const [piece, id] of ids) pieces[id] = piece;
  const unk = ids.get(unknown);
  if (unk === undefined || pieces.length !== ids.size || !goesOn || !(longest > 0)) {
    throw new LiveFileError("the model file is damaged: its tokenizer's pieces are not numbered as they should be.");
  }

  function plain(text: string): string {
    let out = text.replace(INVISIBLE, "").replace(/\p{White_Space}/gu, " ").replace(SPACELESS, " $& ");
    if (strip_accents ?? lowercase) out = out.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowercase ? Array.from(out, (letter) => letter.toLowerCase()).join("") : out;
  }

  function encodeWord(word: string): number[] {
    const letters = Array.from(word);
    if (letters.length > longest) return [unk!];
    const out: number[] = [];
    for (let from = 0; from < letters.length; ) {
      let [to, id] = [letters.length, undefined as number | undefined];
      for (; to > from && id === undefined; to--) id = ids.get((from ? goesOn : "") + letters.slice(from, to).join(""));
      if (id === undefined) return [unk!]; // one letter that is not known spoils the word
      out.push(id);
      from = to + 1;
    }
    return out;
  }

  // A special that is written out in a text is itself: "[MASK]" is a blank.
  const specials = new Map((written.added_tokens ?? []).map(({ id, content }) => [content, id]));
  const special = new RegExp(`(${[...specials.keys()].map((name) => name.replace(/[^\w]/g, "\\$&")).join("|")})`, "u");
  const unseen = new Set(["[PAD]", "[CLS]", "[SEP]"].map((name) => ids.get(name)));
  const tokens = (of: Iterable<number>) => Array.from(of, (id) => named(pieces, id));
  return {
    size: pieces.length,
    encode(text) {
      return (specials.size ? text.split(special) : [text]).flatMap((part) => {
        const id = specials.get(part);
        if (id !== undefined) return [id];
        const words = plain(part).split(" ").flatMap((word) => word.split(MARK));
        return words.filter(Boolean).flatMap(encodeWord);
      });
    },
    decode: (of) => tokens(Array.from(of).filter((id) => !unseen.has(id))).join(" ").replaceAll(` ${goesOn}`, ""),
    tokens,
  };
}
