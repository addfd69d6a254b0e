// What a page knows of the grammar's sentences: their words, how to make one longer, and its right translation.

/** A German sentence, or a part of one, and its translation. */
export type Pair = readonly [german: string, english: string];

const STOP = ".";

/** The words of a text as the grammar spells them: a full stop set apart, no other marks, a known capital or none. */
export function tidy(text: string, known: (word: string) => boolean): string[] {
  const spaced = text.replace(/[.!?…]+/gu, ` ${STOP} `).replace(/[,;:"„“”«»()]/gu, " ");
  return spaced
    .split(/\s+/u)
    .filter(Boolean)
    .map((word) => {
      const [first, ...rest] = word;
      const others = [first.toLowerCase() + rest.join(""), first.toUpperCase() + rest.join("")];
      return known(word) ? word : (others.find(known) ?? word);
    });
}

/** The sentence with one more clause before its full stop: the first that it has not, then all over again. */
export function longer(words: readonly string[], tails: readonly Pair[]): string[] {
  const text = words.join(" ");
  const count = (tail: Pair): number => text.split(tail[0]).length;
  const least = Math.min(...tails.map(count));
  const open = words.at(-1) === STOP ? words.slice(0, -1) : words;
  return [...open, ...tails.find((tail) => count(tail) === least)![0].split(" "), STOP];
}

/** The right translation, if the sentence is a known one, or a known one with clauses added. */
export function right(text: string, known: ReadonlyMap<string, string>, tails: readonly Pair[]): string | undefined {
  const found = known.get(text);
  if (found !== undefined) return found;
  for (const [german, english] of tails) {
    const end = ` ${german} ${STOP}`;
    const before = text.endsWith(end) ? right(`${text.slice(0, -end.length)} ${STOP}`, known, tails) : undefined;
    if (before !== undefined) return `${before.slice(0, -STOP.length)}${english} ${STOP}`;
  }
  return undefined;
}

/** The places in `words` that are not in a longest common subsequence with `wanted`, as in tfedu.data.matching. */
export function unmatched(words: readonly string[], wanted: readonly string[]): Set<number> {
  const best = Array.from({ length: words.length + 1 }, () => new Array<number>(wanted.length + 1).fill(0));
  for (let i = words.length - 1; i >= 0; i--) {
    for (let j = wanted.length - 1; j >= 0; j--) {
      best[i][j] = words[i] === wanted[j] ? 1 + best[i + 1][j + 1] : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const out = new Set<number>();
  let j = 0;
  for (let i = 0; i < words.length; ) {
    if (j < wanted.length && words[i] === wanted[j]) [i, j] = [i + 1, j + 1];
    else if (j < wanted.length && best[i][j] !== best[i + 1][j]) j++; // without words[i] there would be one less
    else out.add(i++);
  }
  return out;
}
