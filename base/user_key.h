// How the gateway tells the servers for whom it calls.
#ifndef S2P_BASE_USER_KEY_H_
#define S2P_BASE_USER_KEY_H_

namespace s2p {

// The key of the call metadata, of any bytes, in which a gateway names the person whose request it
// passes on.
inline constexpr char kUserKey[] = "x-s2p-user-bin";

}  // namespace s2p

#endif  // S2P_BASE_USER_KEY_H_
