// Prometheus metrics, declared in one expression each.
#ifndef S2P_DAEMON_METRIC_FAMILY_H_
#define S2P_DAEMON_METRIC_FAMILY_H_

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace s2p {

// `builder` is one of prometheus::BuildCounter(), BuildGauge() and BuildHistogram(). Returns the
// family, which the registry owns. Thread-safe.
template <typename Builder>
auto& RegisterFamily(Builder builder, const char* name, const char* help,
                     prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace s2p

#endif  // S2P_DAEMON_METRIC_FAMILY_H_
