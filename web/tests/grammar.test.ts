// What the page knows of the grammar's sentences.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { longer, right, tidy, unmatched, type Pair } from "../src/lab/grammar.ts";

const vocabulary = new Set("der Mann sieht den Hund schläft ich schreibe .".split(" "));
const known = (word: string): boolean => vocabulary.has(word);
const tails: Pair[] = [
  ["und ich schreibe", "and I write"],
  ["weil der Mann schläft", "because the man sleeps"],
];

describe("a typed text", () => {
  it("is spelt as the grammar spells", () => {
    expect(tidy("  Der mann schläft. ", known)).toEqual(["der", "Mann", "schläft", "."]);
    expect(tidy("Der Mann, „den Hund“ sieht!", known)).toEqual(["der", "Mann", "den", "Hund", "sieht", "."]);
    expect(tidy("Der Mann schläft ...", known)).toEqual(["der", "Mann", "schläft", "."]);
  });

  it("keeps what it does not know, as it was typed", () => {
    expect(tidy("Der Papagei 😀 שלום", known)).toEqual(["der", "Papagei", "😀", "שלום"]);
    expect(tidy(" \t ", known)).toEqual([]);
  });

  it("is left alone if it is a sentence of the grammar", () => {
    const word = fc.constantFrom(...vocabulary);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(tidy(words.join(" "), known)).toEqual(words);
      }),
    );
  });
});

describe("a longer sentence", () => {
  const short = "der Mann sieht den Hund .".split(" ");

  it("gets each clause once before any comes twice", () => {
    const once = longer(short, tails);
    const twice = longer(once, tails);
    expect(once.join(" ")).toBe("der Mann sieht den Hund und ich schreibe .");
    expect(twice.join(" ")).toBe("der Mann sieht den Hund und ich schreibe weil der Mann schläft .");
    expect(longer(twice, tails).join(" ")).toBe(`${twice.slice(0, -1).join(" ")} und ich schreibe .`);
  });

  it("need not have had a full stop", () => expect(longer(["der", "Mann"], tails).at(-1)).toBe("."));

  it("has a right translation as long as the short one has", () => {
    const gold = new Map([[short.join(" "), "the man sees the dog ."]]);
    let words = short;
    for (const wanted of ["the man sees the dog and I write .", "the man sees the dog and I write because the man sleeps ."]) {
      words = longer(words, tails);
      expect(right(words.join(" "), gold, tails)).toBe(wanted);
    }
    expect(right("der Hund und ich schreibe .", gold, tails)).toBeUndefined();
    expect(right("und ich schreibe .", gold, tails)).toBeUndefined();
  });
});

describe("wrong words", () => {
  it("are those outside a longest common subsequence", () => {
    expect([...unmatched("my sister reads a story".split(" "), "my sister writes a big story".split(" "))]).toEqual([2]);
    expect([...unmatched(["a", "b"], [])]).toEqual([0, 1]);
    expect([...unmatched([], ["a"])]).toEqual([]);
  });

  it("leave a common subsequence, and none of a sentence are wrong against itself", () => {
    const words = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 9 });
    fc.assert(
      fc.property(words, words, (one, other) => {
        const wrong = unmatched(one, other);
        let at = 0;
        for (const word of one.filter((_, i) => !wrong.has(i))) {
          at = other.indexOf(word, at) + 1;
          expect(at).toBeGreaterThan(0);
        }
        expect(unmatched(other, one).size - wrong.size).toBe(other.length - one.length);
        expect(unmatched(one, one).size).toBe(0);
      }),
    );
  });
});
