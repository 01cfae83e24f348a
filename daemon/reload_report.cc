#include "daemon/reload_report.h"

#include "absl/strings/str_cat.h"
#include "daemon/log.h"

namespace s2p {

void ReportReload(absl::string_view what, absl::string_view files, const absl::Status& status,
                  const ReloadCounter& count) {
  if (count != nullptr) count(files, status.ok());
  if (status.ok()) {
    LogInfo(absl::StrCat("read ", what, " again"));
  } else {
    LogError(absl::StrCat("cannot use the new ", what, "; the former stay in use"),
             {{"reason", status}});
  }
}

}  // namespace s2p
