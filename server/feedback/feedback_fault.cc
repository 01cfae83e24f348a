#include "server/feedback/feedback_fault.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// The subjects of faults.
const char* SubjectOf(FeedbackPart part) {
  return part == FeedbackPart::kStore ? "feedback" : "feedback-dataset";
}

const char* NounOf(FeedbackPart part) {
  return part == FeedbackPart::kStore ? "the store of feedback" : "the data set of feedback";
}

}  // namespace

absl::Status FeedbackFault(Faults& faults, FeedbackPart part, const absl::Status& status) {
  const auto told = [&](FaultKind kind, absl::StatusCode code, const std::string& message) {
    faults.Report(kind, SubjectOf(part), message, status);
    return absl::Status(code, message);
  };
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return told(FaultKind::kDiskFull, absl::StatusCode::kResourceExhausted,
                  absl::StrCat("the disk of ", NounOf(part),
                               " is full; free some space, then send this again"));
    case absl::StatusCode::kPermissionDenied:
      return told(FaultKind::kDataReadOnly, absl::StatusCode::kInternal,
                  absl::StrCat(NounOf(part), " refuses writes"));
    case absl::StatusCode::kDataLoss:
      return told(FaultKind::kCatalogueFailed, absl::StatusCode::kDataLoss,
                  absl::StrCat(NounOf(part), " is damaged; the server's log says where"));
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return told(
          FaultKind::kCatalogueFailed, absl::StatusCode::kInternal,
          absl::StrCat("the server could not read or write ", NounOf(part), "; its log says why"));
    default:
      return status;
  }
}

void FeedbackWorks(Faults& faults, FeedbackPart part, bool has_room) {
  if (has_room) faults.Resolve(FaultKind::kDiskFull, SubjectOf(part));
  faults.Resolve(FaultKind::kDataReadOnly, SubjectOf(part));
  faults.Resolve(FaultKind::kCatalogueFailed, SubjectOf(part));
}

}  // namespace s2p
