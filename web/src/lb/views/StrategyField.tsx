const STRATEGIES = [
  "least-rt", "least-conn", "round-robin", "p2c", "random", "n-to-1", "ip-hash", "ip-maglev",
  "uri-hash", "uri-maglev", "header-hash:", "header-maglev:", "cookie-hash:", "cookie-maglev:",
];

interface Props {
  value: string;
  onChange: (value: string) => void;
}

/** The name of a strategy, with those that come with lb to choose from. */
export function StrategyField({ value, onChange }: Props) {
  return (
    <>
      <label>
        Strategy
        <input
          required
          list="strategies"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
      <datalist id="strategies">
        {STRATEGIES.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
