#include "rpc/method_roles.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace s2p {
namespace {

constexpr bool kChange = true;
constexpr Roles kLook = {Role::kSearch, Role::kWrite};
constexpr Roles kAnyRole = {Role::kSearch, Role::kWrite, Role::kTrain};

constexpr MethodRule kRules[] = {
    {"/s2p.v1.SearchService/Search", {Role::kSearch}},
    {"/s2p.v1.GalleryService/AddPhotos", {Role::kWrite}, kChange},
    {"/s2p.v1.GalleryService/DeletePhotos", {Role::kWrite}, kChange},
    {"/s2p.v1.GalleryService/UpdatePhotoMetadata", {Role::kWrite}, kChange},
    {"/s2p.v1.GalleryService/GetPhoto", kLook},
    {"/s2p.v1.GalleryService/ListPhotos", kLook},
    {"/s2p.v1.GalleryService/GetGalleryStats", kLook},
    {"/s2p.v1.ModelService/GetModelStatus", kAnyRole},
    {"/s2p.v1.ModelService/WatchModelStatus", kAnyRole},
    {"/s2p.v1.ModelService/SetServingVersion", {Role::kAdmin}, kChange},
    {"/s2p.v1.FeedbackService/RecordFeedback", {Role::kSearch}},
    {"/s2p.v1.FeedbackService/GetFeedbackStats", {Role::kSearch}},
    // Drawings are for the operator alone.
    {"/s2p.v1.FeedbackService/ListFeedback", {Role::kAdmin}},
    {"/s2p.v1.FeedbackService/GetFeedback", {Role::kAdmin}},
    {"/s2p.v1.FeedbackService/ReviewFeedback", {Role::kAdmin}, kChange},
    {"/s2p.v1.FeedbackService/DeleteFeedback", {Role::kAdmin}, kChange},
    // It hands out what people have drawn, so the audit log has it.
    {"/s2p.v1.FeedbackService/ExportFeedback", {Role::kAdmin}, kChange},
    {"/s2p.v1.TrainingService/SubmitJob", {Role::kTrain}, kChange},
    {"/s2p.v1.TrainingService/CancelJob", {Role::kTrain}, kChange},
    {"/s2p.v1.TrainingService/RetryJob", {Role::kTrain}, kChange},
    {"/s2p.v1.TrainingService/GetJob", {Role::kTrain}},
    {"/s2p.v1.TrainingService/ListJobs", {Role::kTrain}},
    {"/s2p.v1.TrainingService/WatchJob", {Role::kTrain}},
};
constexpr MethodRule kUnknownMethod = {"", {Role::kAdmin}, kChange};

}  // namespace

absl::Span<const MethodRule> MethodRules() { return kRules; }

const MethodRule& RuleOf(absl::string_view method) {
  for (const MethodRule& rule : kRules) {
    if (method == rule.path || method == rule.name()) return rule;
  }
  return kUnknownMethod;
}

absl::Status CheckRoles(absl::string_view method, Roles held) {
  const MethodRule& rule = RuleOf(method);
  if (held.IncludeOneOf(rule.roles)) return absl::OkStatus();
  const std::string roles = rule.roles.ToString();
  const bool is_one = !absl::StrContains(roles, ',');
  return absl::PermissionDeniedError(absl::StrCat(
      method.substr(method.rfind('/') + 1), " needs a key with ",
      is_one ? "the role " : "one of the roles ", absl::StrReplaceAll(roles, {{",", ", "}})));
}

}  // namespace s2p
