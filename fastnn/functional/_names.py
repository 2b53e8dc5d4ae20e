"""Written by tools/stubs.py: which functions each module has."""

NAMES = {
    "_activation": (
        "gelu gelu_backward logsigmoid logsigmoid_backward mish mish_backward sigmoid sigmoid_backward silu "
        "silu_backward softplus softplus_backward softsign softsign_backward tanh tanh_backward tanhshrink "
        "tanhshrink_backward"
    ),
    "_attention": "scaled_dot_product_attention scaled_dot_product_attention_backward",
    "_batch_norm": "batch_norm batch_norm_backward batch_norm_stats",
    "_bilinear": "bilinear bilinear_backward",
    "_blocks": "fold fold_backward unfold unfold_backward",
    "_class_loss": "cross_entropy cross_entropy_backward nll_loss nll_loss_backward",
    "_conv": "conv1d conv1d_backward conv2d conv2d_backward conv3d conv3d_backward",
    "_conv_transpose": (
        "conv_transpose1d conv_transpose1d_backward conv_transpose2d conv_transpose2d_backward "
        "conv_transpose3d conv_transpose3d_backward"
    ),
    "_ctc_loss": "ctc_loss ctc_loss_backward",
    "_dropout": "dropout dropout_backward dropout_mask",
    "_dropout_variants": (
        "alpha_dropout alpha_dropout_backward dropout1d dropout1d_backward dropout2d dropout2d_backward "
        "dropout3d dropout3d_backward feature_alpha_dropout feature_alpha_dropout_backward"
    ),
    "_embedding": "embedding embedding_backward one_hot",
    "_embedding_bag": "embedding_bag embedding_bag_backward",
    "_exponential": "celu celu_backward elu elu_backward selu selu_backward",
    "_glu": "glu glu_backward",
    "_group_norm": "group_norm group_norm_backward group_norm_stats",
    "_instance_norm": "instance_norm instance_norm_backward instance_norm_stats",
    "_interpolate": "interpolate interpolate_backward",
    "_label_margin_loss": (
        "multi_margin_loss multi_margin_loss_backward multilabel_margin_loss multilabel_margin_loss_backward "
        "multilabel_soft_margin_loss multilabel_soft_margin_loss_backward"
    ),
    "_layer_norm": "layer_norm layer_norm_backward layer_norm_stats rms_norm rms_norm_backward rms_norm_stats",
    "_likelihood_loss": (
        "binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits "
        "binary_cross_entropy_with_logits_backward gaussian_nll_loss gaussian_nll_loss_backward kl_div "
        "kl_div_backward poisson_nll_loss poisson_nll_loss_backward"
    ),
    "_linear": "linear linear_backward",
    "_margin_loss": (
        "hinge_embedding_loss hinge_embedding_loss_backward margin_ranking_loss margin_ranking_loss_backward "
        "soft_margin_loss soft_margin_loss_backward"
    ),
    "_metric_loss": (
        "cosine_embedding_loss cosine_embedding_loss_backward triplet_margin_loss "
        "triplet_margin_loss_backward triplet_margin_with_distance_loss"
    ),
    "_normalize": "normalize normalize_backward",
    "_pad": "pad pad_backward",
    "_pair_loss": (
        "huber_loss huber_loss_backward l1_loss l1_loss_backward mse_loss mse_loss_backward smooth_l1_loss "
        "smooth_l1_loss_backward"
    ),
    "_parametric": (
        "parametric_elu parametric_elu_backward parametric_sigmoid parametric_sigmoid_backward "
        "parametric_softplus parametric_softplus_backward prelu prelu_backward scaled_relu "
        "scaled_relu_backward swish swish_backward"
    ),
    "_piecewise": (
        "hardshrink hardshrink_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward "
        "hardtanh hardtanh_backward leaky_relu leaky_relu_backward relu relu6 relu6_backward relu_backward "
        "softshrink softshrink_backward threshold threshold_backward"
    ),
    "_pool_average": (
        "adaptive_avg_pool1d adaptive_avg_pool1d_backward adaptive_avg_pool2d adaptive_avg_pool2d_backward "
        "adaptive_avg_pool3d adaptive_avg_pool3d_backward avg_pool1d avg_pool1d_backward avg_pool2d "
        "avg_pool2d_backward avg_pool3d avg_pool3d_backward"
    ),
    "_pool_lp": "lp_pool1d lp_pool1d_backward lp_pool2d lp_pool2d_backward lp_pool3d lp_pool3d_backward",
    "_pool_max": (
        "adaptive_max_pool1d adaptive_max_pool1d_backward adaptive_max_pool2d adaptive_max_pool2d_backward "
        "adaptive_max_pool3d adaptive_max_pool3d_backward max_pool1d max_pool1d_backward max_pool2d "
        "max_pool2d_backward max_pool3d max_pool3d_backward max_unpool1d max_unpool1d_backward max_unpool2d "
        "max_unpool2d_backward max_unpool3d max_unpool3d_backward"
    ),
    "_rearrange": (
        "channel_shuffle channel_shuffle_backward pixel_shuffle pixel_shuffle_backward pixel_unshuffle "
        "pixel_unshuffle_backward"
    ),
    "_recurrent_cells": (
        "gru_cell gru_cell_backward lstm_cell lstm_cell_backward rnn_relu_cell rnn_relu_cell_backward "
        "rnn_tanh_cell rnn_tanh_cell_backward"
    ),
    "_recurrent_layers": "gru gru_backward lstm lstm_backward rnn_relu rnn_relu_backward rnn_tanh rnn_tanh_backward",
    "_response_norm": "local_response_norm local_response_norm_backward",
    "_rrelu": "rrelu rrelu_backward",
    "_similarity": "cosine_similarity cosine_similarity_backward pairwise_distance pairwise_distance_backward",
    "_softmax": "log_softmax log_softmax_backward softmax softmax_backward softmin softmin_backward",
    "_switchable": "switchable_norm switchable_norm_backward",
}
