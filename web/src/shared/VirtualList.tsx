import { type ReactNode, useEffect, useRef, useState } from "react";

interface Props {
  count: number;
  rowHeight: number;
  /** Rows shown before the list scrolls in itself. */
  maxRows: number;
  row: (index: number) => ReactNode;
  /** The row to keep in view. */
  focus: number | null;
}

const BEYOND = 6;

/** Rows of equal height, of which those in view are made. */
export function VirtualList({ count, rowHeight, maxRows, row, focus }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const shown = Math.min(count, maxRows);
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const last = Math.min(count, first + shown + 2 * BEYOND + 1);
  useEffect(() => {
    const view = box.current;
    if (!view || focus === null) return;
    const at = focus * rowHeight;
    if (at < view.scrollTop) view.scrollTop = at;
    else if (at + rowHeight > view.scrollTop + view.clientHeight) {
      view.scrollTop = at + rowHeight - view.clientHeight;
    }
  }, [focus, rowHeight]);
  const rows: ReactNode[] = [];
  for (let index = first; index < last; index++) rows.push(row(index));
  return (
    <div
      ref={box}
      role="rowgroup"
      className="virtual"
      style={{ height: shown * rowHeight }}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div role="presentation" style={{ height: first * rowHeight }} />
      {rows}
      <div role="presentation" style={{ height: (count - last) * rowHeight }} />
    </div>
  );
}
