import type { ReactNode } from "react";

interface Props {
  label: string;
  value: string;
  unit?: string;
  note?: string;
  isBad?: boolean;
  children?: ReactNode;
}

/** One figure, large. */
export function Tile({ label, value, unit, note, isBad = false, children }: Props) {
  return (
    <div className={isBad ? "tile bad" : "tile"}>
      <div className="tile-label">{label}</div>
      <div className="tile-value">
        {value}
        {unit !== undefined && <span className="unit">{unit}</span>}
      </div>
      {note !== undefined && <div className="tile-note">{note}</div>}
      {children}
    </div>
  );
}
