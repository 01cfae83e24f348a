// The loss terms of IHDA (Yang et al., IEEE TMM 2020), each a function of features or logits.
//
// All return a scalar float32 tensor that is differentiable in its arguments. Labels are int64
// class numbers.
#ifndef S2P_TRAINER_OPTIMIZATION_LOSSES_H_
#define S2P_TRAINER_OPTIMIZATION_LOSSES_H_

#include <torch/types.h>

namespace s2p {

// L_id (eq. 2): cross-entropy of logits [n, c] and labels [n], mean over rows. `smoothing` in
// [0, 1) spreads that share of the label evenly over all c classes (Szegedy et al., CVPR 2016); the
// release uses 0.1, the paper none.
torch::Tensor IdentityLoss(const torch::Tensor& logits, const torch::Tensor& labels,
                           double smoothing);

// Batch-hard triplet loss of features [n, d] and labels [n] (Hermans et al. 2017): mean over
// anchors of max(0, farthest positive - nearest negative + margin), Euclidean distance. An anchor
// is its own positive where it has no other, as in the release. Needs two labels or more.
torch::Tensor TripletLoss(const torch::Tensor& features, const torch::Tensor& labels,
                          double margin);

// L_tri across modalities (eq. 3): sketches [m, d] are the anchors, photos [n, d] positives and
// negatives, squared L2 distance, the hardest of each. Every sketch label must be among the photos'
// and not be the only one there.
torch::Tensor CrossModalTripletLoss(const torch::Tensor& sketches,
                                    const torch::Tensor& sketch_labels, const torch::Tensor& photos,
                                    const torch::Tensor& photo_labels, double margin);

// The terms that paper and release have in forms of their own. L_att of the source (eq. 4): binary
// cross-entropy of logits [n, a] and targets [n, a] in {0, 1}; NaN, where the data set does not
// say, is left out. L_att of target images (eq. 5): entropy of the predicted attributes of logits
// [n, a], p = sigmoid(z). L_con (eq. 6): distance between the attributes predicted for a pair's
// photo and sketch; logits [n, a], row i of one belongs to row i of the other. L_d (eq. 8):
// cross-entropy of the domain classifier's logits [n, 3] (source 0, photo 1, sketch 2) with
// `domains` [n], whose features came through ReverseGradient.
namespace paper {

// Sum over attributes, mean over rows.
torch::Tensor AttributeLoss(const torch::Tensor& logits, const torch::Tensor& targets);
// Mean over rows of -sum p ln p.
torch::Tensor AttributeEntropyLoss(const torch::Tensor& logits);
// Mean over rows of the L2 norm of the difference of probabilities.
torch::Tensor ConsistencyLoss(const torch::Tensor& photo_logits,
                              const torch::Tensor& sketch_logits);
// Sum over the domains of the mean over the domain's rows.
torch::Tensor DomainLoss(const torch::Tensor& logits, const torch::Tensor& domains);

}  // namespace paper

namespace release {

// Mean over attributes and rows.
torch::Tensor AttributeLoss(const torch::Tensor& logits, const torch::Tensor& targets);
// -sum p log2(p + 1e-6) / (n log2 a).
torch::Tensor AttributeEntropyLoss(const torch::Tensor& logits);
// Mean of the squared differences of probabilities.
torch::Tensor ConsistencyLoss(const torch::Tensor& photo_logits,
                              const torch::Tensor& sketch_logits);
// -cross_entropy(softmax(logits)), mean over all rows: softmax twice, and a minus sign on top of
// the reversal, so both players pull the other way.
torch::Tensor DomainLoss(const torch::Tensor& logits, const torch::Tensor& domains);

}  // namespace release

// Symmetric InfoNCE of pairs (Radford et al., ICML 2021): row i of sketches [n, d] belongs to row i
// of photos [n, d], all of L2 norm 1; cosine similarities over `temperature`, cross-entropy in both
// directions, averaged. Not in IHDA.
torch::Tensor ContrastiveLoss(const torch::Tensor& sketches, const torch::Tensor& photos,
                              double temperature);

// L_NT (K. Li, K. Pang and Y.-Z. Song, "Photo Pre-Training, But for Sketch", CVPR 2023, eq. 4):
// mean over the triplets of max(0, d(sketch, nearer photo) - d(sketch, farther photo) + margin),
// with the Euclidean distance d. The paper only says that d is based on L2. Sketches and photos are
// [n, d], all of L2 norm 1; a row of `triplets` [t, 3] int64 has the rows of a sketch, of the photo
// that should be nearer and of the other. Requires t > 0. Not in IHDA.
torch::Tensor PhotoNeighbourLoss(const torch::Tensor& sketches, const torch::Tensor& photos,
                                 const torch::Tensor& triplets, double margin);

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_LOSSES_H_
