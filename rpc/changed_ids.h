// The things that a call changes, as its messages name them.
#ifndef S2P_RPC_CHANGED_IDS_H_
#define S2P_RPC_CHANGED_IDS_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace s2p {

// The values of the fields photo_id, photo_ids, feedback_ids, job_id and version of a request, and
// the id of the job in the response, each once: the ids that log and audit show. Other fields,
// above all images, metadata and specs, are not looked at.
std::vector<std::string> ChangedIds(const google::protobuf::Message& request,
                                    const google::protobuf::Message& response);

}  // namespace s2p

#endif  // S2P_RPC_CHANGED_IDS_H_
