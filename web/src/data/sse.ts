/** One event of a stream of server-sent events. */
export interface SseEvent {
  event: string;
  id: string | null;
  data: string;
}

/**
 * Cuts the text of a stream into events (HTML Living Standard, section 9.2.6). Bytes come in pieces
 * of any size; an event is given out once, when the empty line behind it has come.
 */
export class SseParser {
  private rest = "";

  push(text: string): SseEvent[] {
    this.rest += text;
    const events: SseEvent[] = [];
    let end = this.rest.indexOf("\n\n");
    while (end >= 0) {
      const event = parse(this.rest.slice(0, end));
      if (event) events.push(event);
      this.rest = this.rest.slice(end + 2);
      end = this.rest.indexOf("\n\n");
    }
    return events;
  }
}

function parse(block: string): SseEvent | null {
  let event = "message";
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
  }
  return data.length > 0 ? { event, id, data: data.join("\n") } : null;
}
