#include "trainer/parallel/process_group.h"

#include <utility>

#include "absl/strings/str_cat.h"

#ifdef S2P_HAS_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/steady_time.h"
#include "model/torch_version.h"
#endif

namespace s2p {

#ifndef S2P_HAS_GLOO

struct ProcessGroup::Connection {};

absl::StatusOr<std::unique_ptr<ProcessGroup>> ProcessGroup::Join(const Launch& launch,
                                                                 const ProcessGroupOptions&) {
  return absl::FailedPreconditionError(absl::StrCat(
      launch.size_variable, " is ", launch.processes,
      ", but this program was built without c10d and Gloo, by which processes train together: "
      "install libgloo-dev and build it again, with a LibTorch that has them"));
}

ProcessGroup::~ProcessGroup() = default;

// Never called, because Join makes none.
void ProcessGroup::Sum(torch::Tensor) {}
void ProcessGroup::Broadcast(torch::Tensor) {}
torch::Tensor ProcessGroup::Gather(const torch::Tensor& mine) { return mine; }
absl::Status ProcessGroup::Leave(const absl::Status& outcome) { return outcome; }

#else

namespace {

// How long a rank waits for what the others have to say about a failure, and for them to read what
// it has to say.
constexpr absl::Duration kFarewell = absl::Seconds(10);
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);

// Keys in the store. A rank sets the first when it has come, the second when it has seen a failure,
// the third, with the reason, when it ends by one of its own, and the last when it has read what
// the others say of a failure.
std::string JoinedKey(int rank) { return absl::StrCat("joined/", rank); }
std::string FailedKey(int rank) { return absl::StrCat("failed/", rank); }
std::string EndedKey(int rank) { return absl::StrCat("ended/", rank); }
std::string ReadKey(int rank) { return absl::StrCat("read/", rank); }

std::string Words(const std::exception& error) {
  return std::string(TorchError(error, "c10d").message());
}

std::string MeetingPlace(const Launch& launch) {
  return absl::StrCat(launch.master_host, ":", launch.master_port);
}

std::string NameOf(int rank, const Launch& launch) {
  return absl::StrCat("rank ", rank, " of ", launch.processes);
}

// "rank 1 of 4", "ranks 1, 3 of 4".
std::string NamesOf(const std::vector<int>& ranks, const Launch& launch) {
  if (ranks.size() == 1) return NameOf(ranks[0], launch);
  return absl::StrCat("ranks ", absl::StrJoin(ranks, ", "), " of ", launch.processes);
}

std::chrono::milliseconds Milliseconds(absl::Duration duration) {
  return std::chrono::milliseconds(absl::ToInt64Milliseconds(duration));
}

}  // namespace

struct ProcessGroup::Connection {
  Connection(const Launch& launch_in, const ProcessGroupOptions& options_in)
      : launch(launch_in), options(options_in) {}

  // The calls below throw what c10d throws.
  void OpenStore();
  void ConnectRanks();
  void Set(const std::string& key, const std::string& value) const {
    store->set(key, std::vector<uint8_t>(value.begin(), value.end()));
  }
  std::string Get(const std::string& key) const {
    const std::vector<uint8_t> value = store->get(key);
    return {value.begin(), value.end()};
  }
  bool Has(const std::string& key) const { return store->check({key}); }
  std::vector<int> Without(const std::function<bool(int)>& said) const;
  std::vector<int> WaitForFarewells() const;
  void LetOthersRead() const;
  // The reason that others know for a failure that `words` describe.
  std::string ReasonOf(const std::string& words) const;
  template <typename Collective>
  torch::Tensor WithGroup(const torch::Tensor& tensor, const Collective& collective);
  // Other ranks see a closed connection.
  void Close() {
#ifdef USE_C10D_NCCL
    nccl.reset();
#endif
    gloo.reset();
  }

  const Launch launch;
  const ProcessGroupOptions options;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#ifdef USE_C10D_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> Nccl() {
    if (nccl == nullptr) {
      auto of_nccl = c10d::ProcessGroupNCCL::Options::create();
      of_nccl->timeout = Milliseconds(options.timeout);
      nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store), launch.rank, launch.processes,
          of_nccl);
    }
    return nccl;
  }
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl;
#endif
};

void ProcessGroup::Connection::OpenStore() {
  c10d::TCPStoreOptions of_store;
  of_store.port = static_cast<uint16_t>(launch.master_port);
  of_store.isServer = launch.rank == 0 && !launch.launcher_listens;
  of_store.waitWorkers = false;
  of_store.timeout = Milliseconds(options.timeout);
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  // A LibTorch that was built without libuv refuses to use it. The protocol is the same.
  of_store.useLibUV = false;
#endif
  // A rank of an earlier attempt may have left its keys where the launcher keeps the store.
  store = c10::make_intrusive<c10d::PrefixStore>(
      absl::StrCat("s2p/", launch.restarts),
      c10::make_intrusive<c10d::TCPStore>(launch.master_host, of_store));
}

void ProcessGroup::Connection::ConnectRanks() {
  using Gloo = c10d::ProcessGroupGloo;
  auto of_gloo = Gloo::Options::create(Milliseconds(options.timeout));
  if (!options.host.empty()) {
    of_gloo->devices.push_back(Gloo::createDeviceForHostname(options.host));
  } else if (!launch.network_interface.empty()) {
    of_gloo->devices.push_back(Gloo::createDeviceForInterface(launch.network_interface));
  } else {
    of_gloo->devices.push_back(Gloo::createDefaultDevice());
  }
  gloo = c10::make_intrusive<Gloo>(store, launch.rank, launch.processes, of_gloo);
}

// The other ranks of which `said` is false.
std::vector<int> ProcessGroup::Connection::Without(const std::function<bool(int)>& said) const {
  std::vector<int> silent;
  for (int rank = 0; rank < launch.processes; ++rank) {
    if (rank != launch.rank && !said(rank)) silent.push_back(rank);
  }
  return silent;
}

// Returns the ranks that have neither seen the failure nor ended after a while: they are lost.
std::vector<int> ProcessGroup::Connection::WaitForFarewells() const {
  const SteadyTime end = SteadyTime::Now() + kFarewell;
  const auto said = [this](int rank) { return Has(EndedKey(rank)) || Has(FailedKey(rank)); };
  std::vector<int> silent = Without(said);
  while (!silent.empty() && SteadyTime::Now() < end) {
    absl::SleepFor(kBetweenLooks);
    silent = Without(said);
  }
  return silent;
}

// The rank that keeps the store waits for the others, which look in it for the reason of a failure.
void ProcessGroup::Connection::LetOthersRead() const {
  if (launch.rank != 0 || launch.launcher_listens) return;
  const SteadyTime end = SteadyTime::Now() + kFarewell;
  const auto needs_nothing = [this](int rank) {
    return Has(ReadKey(rank)) || !Has(FailedKey(rank));
  };
  while (!Without(needs_nothing).empty() && SteadyTime::Now() < end) absl::SleepFor(kBetweenLooks);
}

std::string ProcessGroup::Connection::ReasonOf(const std::string& words) const {
  try {
    Set(FailedKey(launch.rank), "");
    const std::vector<int> silent = WaitForFarewells();
    const std::vector<int> ended = Without([this](int rank) { return !Has(EndedKey(rank)); });
    std::string reason = absl::StrCat("the ranks have lost their connections (", words, ")");
    if (!ended.empty()) {
      reason = absl::StrCat(NameOf(ended[0], launch), " has ended: ", Get(EndedKey(ended[0])));
    } else if (!silent.empty()) {
      reason = absl::StrCat(NamesOf(silent, launch), silent.size() == 1 ? " is" : " are",
                            " lost: ended without a word, or cut off (", words, ")");
    }
    Set(ReadKey(launch.rank), "");
    LetOthersRead();
    return reason;
  } catch (const std::exception&) {
    // The store is gone, and with it whoever keeps it.
    const std::string keeper = launch.launcher_listens
                                   ? std::string("the launcher")
                                   : absl::StrCat(NameOf(0, launch), " is lost: it");
    return absl::StrCat(keeper, " does not answer at ", MeetingPlace(launch), " (", words, ")");
  }
}

ProcessGroup::ProcessGroup(const Launch& launch, std::unique_ptr<Connection> connection)
    : launch_(launch), connection_(std::move(connection)) {}

ProcessGroup::~ProcessGroup() = default;

absl::StatusOr<std::unique_ptr<ProcessGroup>> ProcessGroup::Join(
    const Launch& launch, const ProcessGroupOptions& options) {
  auto connection = std::make_unique<Connection>(launch, options);
  const auto cannot = [&launch](const std::string& why) {
    return absl::UnavailableError(absl::StrCat(NameOf(launch.rank, launch),
                                               " cannot join the others at ", MeetingPlace(launch),
                                               ": ", why));
  };
  try {
    connection->OpenStore();
    connection->Set(JoinedKey(launch.rank), "");
    std::vector<std::string> joined;
    for (int rank = 0; rank < launch.processes; ++rank) joined.push_back(JoinedKey(rank));
    try {
      connection->store->wait(joined, Milliseconds(options.timeout));
    } catch (const std::exception& error) {
      const auto missing =
          connection->Without([&](int rank) { return connection->Has(JoinedKey(rank)); });
      if (missing.empty()) throw;
      return cannot(absl::StrCat(NamesOf(missing, launch), " did not come within ",
                                 absl::FormatDuration(options.timeout)));
    }
    connection->ConnectRanks();
  } catch (const std::exception& error) {
    return cannot(Words(error));
  }
  return std::unique_ptr<ProcessGroup>(new ProcessGroup(launch, std::move(connection)));
}

void ProcessGroup::Run(absl::FunctionRef<void(Connection&)> collective) {
  if (!status_.ok()) throw std::runtime_error(std::string(status_.message()));
  try {
    collective(*connection_);
  } catch (const std::exception& error) {
    const std::string words = Words(error);
    connection_->Close();
    status_ = absl::UnavailableError(absl::StrCat(
        NameOf(launch_.rank, launch_), " cannot continue alone: ", connection_->ReasonOf(words),
        "; start all of them again to resume"));
    throw std::runtime_error(std::string(status_.message()));
  }
}

// Calls `collective` with the group for the tensor's device and the tensor as that group takes it:
// contiguous, and for Gloo on the CPU. Returns that tensor.
template <typename Collective>
torch::Tensor ProcessGroup::Connection::WithGroup(const torch::Tensor& tensor,
                                                  const Collective& collective) {
  const torch::Tensor contiguous = tensor.detach().contiguous();
#ifdef USE_C10D_NCCL
  if (contiguous.is_cuda()) {
    collective(*Nccl(), contiguous);
    return contiguous;
  }
#endif
  const torch::Tensor on_cpu = contiguous.cpu();
  collective(*gloo, on_cpu);
  return on_cpu;
}

void ProcessGroup::Sum(torch::Tensor tensor) {
  Run([&](Connection& connection) {
    torch::NoGradGuard no_grad;
    const torch::Tensor sum =
        connection.WithGroup(tensor, [](auto& group, const torch::Tensor& mine) {
          std::vector<torch::Tensor> tensors = {mine};
          group.allreduce(tensors)->wait();
        });
    tensor.copy_(sum);
  });
}

void ProcessGroup::Broadcast(torch::Tensor tensor) {
  Run([&](Connection& connection) {
    torch::NoGradGuard no_grad;
    const torch::Tensor copy =
        connection.WithGroup(tensor, [](auto& group, const torch::Tensor& mine) {
          std::vector<torch::Tensor> tensors = {mine};
          c10d::BroadcastOptions from_first;
          from_first.rootRank = 0;
          group.broadcast(tensors, from_first)->wait();
        });
    tensor.copy_(copy);
  });
}

torch::Tensor ProcessGroup::Gather(const torch::Tensor& mine) {
  torch::Tensor all;
  Run([&](Connection& connection) {
    torch::NoGradGuard no_grad;
    connection.WithGroup(mine, [&](auto& group, const torch::Tensor& block) {
      std::vector<std::vector<torch::Tensor>> blocks(1);
      for (int rank = 0; rank < count(); ++rank) blocks[0].push_back(torch::empty_like(block));
      std::vector<torch::Tensor> blocks_of_mine = {block};
      group.allgather(blocks, blocks_of_mine)->wait();
      all = torch::stack(blocks[0]).to(mine.device());
    });
  });
  return all;
}

absl::Status ProcessGroup::Leave(const absl::Status& outcome) {
  if (!status_.ok()) return outcome.ok() ? status_ : outcome;
  try {
    if (outcome.ok()) {
      Any(false);
      return outcome;
    }
    connection_->Set(EndedKey(launch_.rank), std::string(outcome.message()));
    connection_->Close();
    // The store must outlive those who read the reason.
    if (first() && !launch_.launcher_listens) {
      connection_->WaitForFarewells();
      connection_->LetOthersRead();
    }
  } catch (const std::exception&) {
    // The outcome is worth more than that the others could not be told, and what the first rank has
    // published is published.
    if (outcome.ok() && !first()) return status_;
  }
  return outcome;
}

#endif

}  // namespace s2p
