import { expect, it } from "vitest";
import { toneOfLoad } from "./load";

it("colours a load", () => {
  expect([0, 0.39, 0.4, 0.69, 0.7, 1].map(toneOfLoad)).toEqual([
    "good", "good", "warn", "warn", "bad", "bad",
  ]);
});
