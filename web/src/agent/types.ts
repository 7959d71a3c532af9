/** What an agent tells of itself. Loads are from 0 to 1. */
export interface AgentEvent {
  load: number;
  source: "cpu" | "slider";
  measured: number;
  read_seconds_ago: number | null;
  about: {
    name: string | null;
    command: string[];
    pid: number | null;
    monitor: string | null;
    announced: string | null;
  };
  version: string;
}
