import { describe, expect, it } from "vitest";
import { SseParser } from "./sse";

const TEXT =
  ": events of lb\n\nid: 3\ndata: {\"seq\":3}\n\nevent: tick\ndata: one\ndata: two\n\nevent: cut\n\n";

describe("SseParser", () => {
  it("gives the same events however the stream is cut", () => {
    const whole = new SseParser().push(TEXT);
    expect(whole).toEqual([
      { event: "message", id: "3", data: '{"seq":3}' },
      { event: "tick", id: null, data: "one\ntwo" },
    ]);
    for (let cut = 0; cut <= TEXT.length; cut++) {
      const parser = new SseParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(whole);
    }
  });

  it("keeps what is not whole yet", () => {
    const parser = new SseParser();
    expect(parser.push("data: x\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ event: "message", id: null, data: "x" }]);
  });
});
