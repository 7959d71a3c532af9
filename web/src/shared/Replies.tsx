import { dismiss, useReplies } from "./replies";

/** What was said to the last things done here. */
export function Replies({ from }: { from: string }) {
  const replies = useReplies();
  return (
    <div className="replies" role="log" aria-live="polite" aria-label={`Replies of ${from}`}>
      {replies.map(({ id, isGood, text }) => (
        <button
          key={id}
          type="button"
          className={isGood ? "reply" : "reply bad"}
          onClick={() => dismiss(id)}
          title="Dismiss"
        >
          {text}
        </button>
      ))}
    </div>
  );
}
