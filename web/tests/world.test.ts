// The world of the Memory lab, against the generator's own (fixtures/make_world.py).

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { World, type Names } from "../src/lab/world.ts";

interface Fixture extends Names {
  cases: { story: string[]; answers: [string, string, number[]][]; actions: string[] }[];
}

const given: Fixture = JSON.parse(readFileSync(new URL("fixtures/world.json", import.meta.url), "utf8"));
const words = (text: string): string[] => text.split(" ");
const sorted = (texts: Iterable<string>): string[] => [...texts].sort();

describe("the world of a story", () => {
  it("has cases of every kind of question", () => {
    expect(given.cases.length).toBeGreaterThan(50);
    for (const kind of [/^where is the/, /^where is \w+$/, /^where was/]) {
      expect(given.cases.some((one) => one.answers.some(([question]) => kind.test(question)))).toBe(true);
    }
  });

  it.each(given.cases.map((one, i) => [i, one] as const))("answers and goes on as Python's, story %i", (_, one) => {
    const world = new World(given, one.story.map(words));
    expect(sorted(world.questions().map((question) => question.join(" ")))).toEqual(sorted(one.answers.map(([question]) => question)));
    for (const [question, answer, facts] of one.answers) expect(world.ask(words(question))).toEqual({ answer, facts });
    const actions = given.people.flatMap((person) => world.actions(person)).map((action) => action.join(" "));
    expect(sorted(actions)).toEqual(sorted(one.actions));
  });

  it("does not answer what is not told", () => {
    const world = new World(given, [words("anna went to the hall")]);
    for (const question of ["where is ben", "where is the lamp", "where was the lamp before the hall"]) {
      expect(world.ask(words(question))).toBeUndefined();
    }
  });

  it.each(["anna took the lamp", "anna went to the moon", "nobody went to the hall", "anna dropped the lamp"])("refuses what cannot happen: %s", (sentence) => {
    expect(() => new World(given, [words(sentence)])).toThrow(/cannot happen/);
  });
});
