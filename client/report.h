// Prints replies: as JSON, and as tables for people.
#ifndef S2P_CLIENT_REPORT_H_
#define S2P_CLIENT_REPORT_H_

#include <google/protobuf/map.h>
#include <google/protobuf/message.h>

#include <ostream>
#include <string>
#include <vector>

namespace s2p {

// Protobuf's standard mapping, including default values; on one line with `compact`.
std::string ToJson(const google::protobuf::Message& message, bool compact = false);

// Columns as wide as their widest cell, two spaces apart; the first row is the heading. A column
// whose heading starts with '>' (which is not printed) is right-aligned. `colours` turns on colours
// in the column "state"; by default they are on if `out` is a terminal.
void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out);
void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out, bool colours);

// "key=value key=value", sorted by key and made Printable.
std::string ToText(const google::protobuf::Map<std::string, std::string>& metadata);

}  // namespace s2p

#endif  // S2P_CLIENT_REPORT_H_
