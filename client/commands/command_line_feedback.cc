// The commands about a server's feedback.
#include <iostream>
#include <memory>

#include "client/commands/command_line.h"
#include "client/commands/feedback_commands.h"

namespace s2p {
namespace {

void AddRecord(CLI::App& feedback, Command& command) {
  auto options = std::make_shared<FeedbackRecordOptions>();
  CLI::App* record = feedback.add_subcommand("record", "Say which photo a drawing meant");
  record->add_option("SKETCH", options->sketch, "Image of the drawing, which the server keeps")
      ->required();
  record->add_option("PHOTO", options->photo_id, "Id of the photo that it shows")->required();
  record->add_flag("--no-match", options->no_match, "The photo does not show it");
  record->add_flag("--json", options->json, "Print the server's reply as JSON");
  record->footer("Example:\n  s2p feedback record drawing.png shoe-17");
  record->callback([=, &command] {
    command.feedback = [options](const FeedbackClient& client) {
      return RunFeedbackRecord(client, *options, std::cout);
    };
  });
}

void AddList(CLI::App& feedback, Command& command) {
  auto options = std::make_shared<FeedbackListOptions>();
  CLI::App* list = feedback.add_subcommand("list", "List it, oldest first");
  list->add_option("--state", options->state, "Only entries that are pending, accepted or rejected")
      ->check(CLI::IsMember({"pending", "accepted", "rejected"}));
  list->add_option("--by", options->recorded_by, "Only entries that the key of this name recorded");
  list->add_option("--limit", options->limit, "List at most this many; 0 means all")
      ->capture_default_str();
  list->add_flag("--json", options->json, "Print the server's reply as JSON");
  list->footer("Example:\n  s2p feedback list --state pending");
  list->callback([=, &command] {
    command.feedback = [options](const FeedbackClient& client) {
      return RunFeedbackList(client, *options, std::cout);
    };
  });
}

void AddReview(CLI::App& feedback, Command& command) {
  auto options = std::make_shared<FeedbackReviewOptions>();
  CLI::App* review = feedback.add_subcommand("review", "Accept or reject entries");
  review->add_option("ID", options->feedback_ids, "Their ids, as feedback list shows them")
      ->required();
  review->add_flag("--accept", options->accept, "They are right: accepted matches are exported");
  review->add_flag("--reject", options->reject, "They are wrong, and teach nothing");
  review->add_flag("--reset", options->reset, "Take the review back");
  review->add_flag("--json", options->json, "Print the server's reply as JSON");
  review->footer(
      "Examples:\n"
      "  s2p feedback review --accept 3f0c1a 77b2e9\n"
      "  s2p feedback list --state pending --json | jq -r '.feedback[].feedbackId' |\n"
      "      xargs s2p feedback review --accept --");
  review->callback([=, &command] {
    command.feedback = [options](const FeedbackClient& client) {
      return RunFeedbackReview(client, *options, std::cout);
    };
  });
}

void AddExport(CLI::App& feedback, Command& command) {
  auto folder = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* exported =
      feedback.add_subcommand("export", "Write the accepted matches as a data set");
  exported->add_option("FOLDER", *folder, "New folder")->required();
  exported->add_flag("--json", *json, "Print each entry as a line of JSON");
  exported->footer("Example:\n  s2p feedback export data/confirmed");
  exported->callback([=, &command] {
    command.feedback = [folder, json](const FeedbackClient& client) {
      return RunFeedbackExport(client, *folder, *json, std::cout);
    };
  });
}

void AddForget(CLI::App& feedback, Command& command) {
  auto feedback_ids = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* forget = feedback.add_subcommand("forget", "Delete entries and their drawings");
  forget->add_option("ID", *feedback_ids, "Their ids")->required();
  forget->add_flag("--json", *json, "Print the server's reply as JSON");
  forget->footer("Example:\n  s2p feedback forget 3f0c1a");
  forget->callback([=, &command] {
    command.feedback = [feedback_ids, json](const FeedbackClient& client) {
      return RunFeedbackForget(client, *feedback_ids, *json, std::cout);
    };
  });
}

}  // namespace

void AddFeedbackCommands(CLI::App& app, Command& command) {
  CLI::App* feedback = app.add_subcommand(
      "feedback", "Review what people say about photos, on a server with --collect-feedback");
  feedback->require_subcommand(1);
  AddRecord(*feedback, command);
  AddList(*feedback, command);
  AddReview(*feedback, command);
  AddExport(*feedback, command);
  AddForget(*feedback, command);
}

}  // namespace s2p
