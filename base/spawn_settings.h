// Settings of a process that posix_spawn starts.
#ifndef S2P_BASE_SPAWN_SETTINGS_H_
#define S2P_BASE_SPAWN_SETTINGS_H_

#include <spawn.h>

namespace s2p {

// Initialised, and freed with the object. One thread only.
struct SpawnSettings {
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace s2p

#endif  // S2P_BASE_SPAWN_SETTINGS_H_
