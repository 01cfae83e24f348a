// How replies are printed: as JSON, and as tables for people.
#ifndef S2P_CLIENT_REPORT_H_
#define S2P_CLIENT_REPORT_H_

#include <google/protobuf/map.h>
#include <google/protobuf/message.h>

#include <ostream>
#include <string>
#include <vector>

namespace s2p {

// Protobuf's standard mapping with default values; one line with `compact`.
std::string ToJson(const google::protobuf::Message& message, bool compact = false);

// Columns as wide as their widest cell, two spaces apart; the first row is the heading. A column
// whose heading begins with '>' (which is not printed) is aligned to the right. With `colours` the
// column with the heading "state" has them; unless said, where `out` is a terminal.
void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out);
void PrintTable(const std::vector<std::vector<std::string>>& rows, std::ostream& out, bool colours);

// "key=value key=value", by key, as Printable.
std::string ToText(const google::protobuf::Map<std::string, std::string>& metadata);

}  // namespace s2p

#endif  // S2P_CLIENT_REPORT_H_
