//! Durations as people write them: `500ms`, `3s`, `2m`, `1h`.
