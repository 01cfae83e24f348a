// The schema and statements of the store of feedback. For feedback_store.cc, and for the test of
// the plans that SQLite makes of them.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_SQL_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_SQL_H_

namespace s2p::feedback_sql {

// The drawing is the last column, so that reading the others does not read its pages.
inline constexpr char kSchema[] = R"sql(
CREATE TABLE store (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  store_id TEXT NOT NULL,
  data_set TEXT NOT NULL
) STRICT;
INSERT INTO store VALUES (1, lower(hex(randomblob(16))), '');
CREATE TABLE feedback (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  feedback_id TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL UNIQUE,
  photo_id TEXT NOT NULL,
  photo_sha256 TEXT NOT NULL,
  verdict INTEGER NOT NULL,
  state INTEGER NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at_microseconds INTEGER NOT NULL,
  reviewed_at_microseconds INTEGER NOT NULL,
  sketch_width INTEGER NOT NULL,
  sketch_height INTEGER NOT NULL,
  sketch_bytes INTEGER NOT NULL,
  sketch BLOB NOT NULL
) STRICT;
CREATE INDEX feedback_by_state ON feedback (state, place, sketch_bytes);
)sql";

// Older stores lack this index, and older programs keep it up to date without knowing it. It begins
// with the two columns that are equal for all accepted matches, so that SQLite prefers it to
// feedback_by_state without INDEXED BY, which would make the statements fail where it is missing.
// Older stores also have feedback_by_photo (photo_id, place), which no statement uses.
inline constexpr char kIndexMatches[] =
    "CREATE INDEX IF NOT EXISTS feedback_matches ON feedback (state, verdict, photo_id, place)";

#define S2P_FEEDBACK_COLUMNS                                                          \
  "place, feedback_id, digest, photo_id, photo_sha256, verdict, state, recorded_by, " \
  "recorded_at_microseconds, reviewed_at_microseconds, sketch_width, sketch_height, sketch_bytes"

inline constexpr char kInsert[] =
    "INSERT INTO feedback (feedback_id, digest, photo_id, photo_sha256, verdict, state, "
    "recorded_by, recorded_at_microseconds, reviewed_at_microseconds, sketch_width, "
    "sketch_height, sketch_bytes, sketch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr char kFindById[] =
    "SELECT " S2P_FEEDBACK_COLUMNS " FROM feedback WHERE feedback_id = ?";
inline constexpr char kFindByDigest[] =
    "SELECT " S2P_FEEDBACK_COLUMNS " FROM feedback WHERE digest = ?";
inline constexpr char kSketch[] = "SELECT sketch FROM feedback WHERE feedback_id = ?";
inline constexpr char kSetState[] =
    "UPDATE feedback SET state = ?, reviewed_at_microseconds = ? WHERE feedback_id = ?";
inline constexpr char kRemove[] = "DELETE FROM feedback WHERE feedback_id = ?";
// No name stands for all.
inline constexpr char kListAll[] =
    "SELECT " S2P_FEEDBACK_COLUMNS
    " FROM feedback WHERE place > ?1 AND (?2 = '' OR recorded_by = ?2) ORDER BY place LIMIT ?3";
inline constexpr char kListState[] =
    "SELECT " S2P_FEEDBACK_COLUMNS
    " FROM feedback WHERE place > ?1 AND (?2 = '' OR recorded_by = ?2) AND state = ?4 "
    "ORDER BY place LIMIT ?3";
inline constexpr char kListMatches[] =
    "SELECT " S2P_FEEDBACK_COLUMNS
    " FROM feedback WHERE (photo_id, place) > (?, ?) AND state = 2 AND verdict = 1 "
    "ORDER BY photo_id, place LIMIT ?";
inline constexpr char kHasMatchOf[] =
    "SELECT 1 FROM feedback WHERE photo_id = ? AND state = 2 AND verdict = 1 LIMIT 1";
inline constexpr char kIsMatch[] =
    "SELECT 1 FROM feedback WHERE feedback_id = ? AND state = 2 AND verdict = 1";
inline constexpr char kTotals[] =
    "SELECT state, COUNT(*), SUM(sketch_bytes) FROM feedback GROUP BY state";
inline constexpr char kStore[] = "SELECT store_id, data_set FROM store";
inline constexpr char kSetDataSet[] = "UPDATE store SET data_set = ?";

#undef S2P_FEEDBACK_COLUMNS

}  // namespace s2p::feedback_sql

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_SQL_H_
