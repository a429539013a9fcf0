import { expect, test } from "vitest";
import { en } from "../src/language/words";
import { zhHans } from "../src/language/words.zh-Hans";

/** The paths of all words; the type holds those it names, this also the tables that are keyed by the gateway's names. */
function paths(words: object, at = ""): string[] {
  return Object.entries(words).flatMap(([name, word]) =>
    typeof word === "object" && word !== null ? paths(word, `${at}${name}.`) : [`${at}${name}`],
  );
}

test("what has a word in one language has one in the other", () => {
  const [english, chinese] = [paths(en), paths(zhHans)];
  expect(english.filter((word) => !chinese.includes(word))).toEqual([]);
  expect(chinese.filter((word) => !english.includes(word))).toEqual([]);
});
