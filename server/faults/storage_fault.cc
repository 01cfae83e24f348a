#include "server/faults/storage_fault.h"

#include "absl/strings/str_cat.h"

namespace s2p {

absl::Status AsStorageError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kDataLoss:
      return status;
    default:
      return absl::InternalError(status.message());
  }
}

absl::Status StorageFault(Faults& faults, const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted: {
      const std::string message =
          "the server's disk is full; free some space, then send this again";
      faults.Report(FaultKind::kDiskFull, "", message, status);
      return absl::ResourceExhaustedError(message);
    }
    case absl::StatusCode::kPermissionDenied: {
      const std::string message = "the server's data folder refuses writes";
      faults.Report(FaultKind::kDataReadOnly, "", message, status);
      return absl::InternalError(message);
    }
    case absl::StatusCode::kDataLoss: {
      const std::string message = "the gallery's catalogue is damaged; the server's log says where";
      faults.Report(FaultKind::kCatalogueFailed, "", message, status);
      return absl::DataLossError(message);
    }
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown: {
      const std::string message =
          "the server could not read or write the gallery; its log says why";
      faults.Report(FaultKind::kCatalogueFailed, "", message, status);
      return absl::InternalError(message);
    }
    default:
      return status;
  }
}

void StorageWorks(Faults& faults, bool has_room) {
  if (has_room) faults.Resolve(FaultKind::kDiskFull);
  faults.Resolve(FaultKind::kDataReadOnly);
  faults.Resolve(FaultKind::kCatalogueFailed);
}

absl::Status PhotoFault(Faults& faults, const std::string& photo_id, const std::string& sha256,
                        const absl::Status& status) {
  const bool missing = absl::IsNotFound(status);
  const std::string message =
      absl::StrCat("photo_id '", photo_id, "': its file is ", missing ? "missing" : "damaged");
  faults.Report(
      missing ? FaultKind::kPhotoMissing : FaultKind::kPhotoDamaged, sha256, message,
      absl::Status(status.code(), absl::StrCat("photo_id '", photo_id, "': ", status.message())));
  return absl::DataLossError(message);
}

void PhotoWorks(Faults& faults, const std::string& sha256) {
  faults.Resolve(FaultKind::kPhotoMissing, sha256);
  faults.Resolve(FaultKind::kPhotoDamaged, sha256);
}

}  // namespace s2p
