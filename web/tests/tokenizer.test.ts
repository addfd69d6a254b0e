// The tokenizers in the page against the package's own: the same ids, the same text, the same labels, to the letter.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LiveFileError, tokenizerFromJson, type Tokenizer } from "../src/index.ts";

interface Expected {
  size: number;
  ids: number[][]; // of each text, then some lists more
  decoded: string[];
  tokens: string[]; // labels, joined by spaces
}

interface Header {
  __metadata__: Record<string, string>;
}

const at = (path: string) => new URL(path, import.meta.url);
const fixture = JSON.parse(readFileSync(at("fixtures/tokenizers.json"), "utf8")) as {
  trained: Record<string, string>; // JSON of tokenizers made for the test
  texts: string[];
  tokenizers: Record<string, Expected>;
};

/** The JSON as the checkpoint carries it, and so the file of the page. */
function written(name: string): string {
  if (fixture.trained[name]) return fixture.trained[name];
  const [model, extra] = name.split("/");
  const file = readFileSync(at(`../../data/checkpoints/${model}.safetensors`));
  const header = JSON.parse(file.toString("utf8", 8, 8 + Number(file.readBigUInt64LE()))) as Header;
  return header.__metadata__[`extra.${extra}`];
}

describe.each(Object.entries(fixture.tokenizers))("%s", (name, expected) => {
  const tokenizer: Tokenizer = tokenizerFromJson(written(name));

  it("has the same size", () => expect(tokenizer.size).toBe(expected.size));

  it("encodes as Python does", () => {
    expect(fixture.texts.length).toBeGreaterThan(300);
    fixture.texts.forEach((text, i) => expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(expected.ids[i]));
  });

  it("decodes and labels as Python does", () => {
    expected.ids.forEach((ids, i) => {
      expect(tokenizer.decode(ids)).toBe(expected.decoded[i]);
      expect(tokenizer.tokens(ids).join(" ")).toBe(expected.tokens[i]);
      expect(tokenizer.tokens(ids)).toHaveLength(ids.length);
    });
  });

  it("refuses ids of another vocabulary", () => {
    for (const id of [-1, expected.size, 1.5, NaN]) {
      expect(() => tokenizer.tokens([4, id])).toThrow(/outside this vocabulary/);
      expect(() => tokenizer.decode([id])).toThrow(RangeError);
    }
  });

  it("takes half a character, and a very long word, without complaint", () => {
    expect(tokenizer.encode("\ud83d")).toEqual(tokenizer.encode("\u{10fffd}"));
    const start = performance.now();
    expect(tokenizer.encode("ein".repeat(2000)).length).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("a tokenizer that the page does not know", () => {
  it.each(["", "nothing", "null", "7", "[]", "{}", '{"model":null}', '{"words":"a"}', '{"words":[1]}'])("%j is damaged", (text) => {
    expect(() => tokenizerFromJson(text)).toThrow(LiveFileError);
  });

  const changed = (change: (json: any) => void, kind = "cased") => {
    const json = JSON.parse(fixture.trained[kind]);
    change(json);
    return () => tokenizerFromJson(JSON.stringify(json));
  };

  it("cuts otherwise: refused, because its ids would be wrong", () => {
    expect(changed((json) => json.normalizer.normalizers.push({ type: "NFKC" }))).toThrow(/cannot read the model's tokenizer/);
    expect(changed((json) => (json.pre_tokenizer = null))).toThrow(LiveFileError);
    expect(changed((json) => (json.model.fuse_unk = false))).toThrow(LiveFileError);
    expect(changed((json) => (json.model.type = "Unigram"))).toThrow(LiveFileError);
    expect(changed(() => undefined)).not.toThrow();
  });

  it("lacks a piece: damaged", () => {
    expect(changed((json) => delete json.model.vocab["<bos>"])).toThrow(/numbered/);
    expect(changed((json) => (json.model.vocab.extra = 9999))).toThrow(/numbered/);
    expect(changed((json) => json.model.merges.push(["Q", "Q"]))).toThrow(/lacks a piece/);
    expect(changed((json) => delete json.model.merges)).toThrow(LiveFileError);
    expect(changed((json) => (json.model.vocab = null))).toThrow(LiveFileError);
    expect(changed((json) => json.model.merges.push(7))).toThrow(LiveFileError);
  });

  it("is WordPiece with another cut, or with holes: refused as well", () => {
    expect(changed((json) => (json.normalizer = { type: "NFC" }), "pieces")).toThrow(/cuts otherwise/);
    expect(changed((json) => (json.normalizer.handle_chinese_chars = false), "pieces")).toThrow(LiveFileError);
    expect(changed((json) => (json.pre_tokenizer = { type: "Whitespace" }), "pieces")).toThrow(LiveFileError);
    expect(changed((json) => delete json.model.vocab["[UNK]"], "pieces")).toThrow(/numbered/);
    expect(changed((json) => (json.model.vocab.extra = 9999), "pieces")).toThrow(/numbered/);
    expect(changed(() => undefined, "pieces")).not.toThrow();
  });
});
