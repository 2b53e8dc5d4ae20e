"""The functions' formulas for the site, in LaTeX; the docstrings have them as plain text, which a terminal shows."""

PHI = r"\Phi(x) = \tfrac{1}{2}\,\mathrm{erfc}\left(-x / \sqrt{2}\right)"
NORM = r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}\,\gamma + \beta"
DNORM = (
    r"\frac{\partial L}{\partial x} = r\left(g - \overline{g} - \hat{x}\,\overline{g \hat{x}}\right),\quad "
    r"g = \gamma\,dy,\quad \hat{x} = (x - \mu)\, r,\quad r = \frac{1}{\sqrt{\sigma^2 + \varepsilon}}"
)
DROP = r"y_i = \begin{cases} x_i / (1 - p) & \text{kept} \\ 0 & \text{dropped, with probability } p \end{cases}"
DDROP = r"dx_i = \begin{cases} dy_i / (1 - p) & \text{kept} \\ 0 & \text{dropped} \end{cases}"
ALPHA = (
    r"y_i = a\,(x_i \text{ or } \alpha') + b,\quad \alpha' = -1.7581\ldots,\quad "
    r"a = \frac{1}{\sqrt{(1 - p)(1 + p\,\alpha'^2)}},\quad b = -a\,p\,\alpha'"
)
DALPHA = r"dx_i = \begin{cases} a\,dy_i & \text{kept} \\ 0 & \text{dropped} \end{cases}"

COVERING = r"w_i = \left[\lfloor i L / o \rfloor, \lceil (i + 1) L / o \rceil\right)"


def cases(*parts: str) -> str:
    """Of "value & condition"."""
    return r"\begin{cases} " + r" \\ ".join(parts) + r" \end{cases}"


CONV = r"y_o[q] = b_o + \sum_{c, r} w_{oc}[r]\; x_c[s\,q - p + d\,r]"
DCONV = (
    r"dx_c[i] = \sum_{s q - p + d r = i} \sum_o dy_o[q]\,w_{oc}[r],\quad "
    r"dw_{oc}[r] = \sum_q dy_o[q]\,x_c[s\,q - p + d\,r],\quad db_o = \sum_q dy_o[q]"
)
SPREAD = r"y_o[i] = b_o + \sum_{s q - p + d r = i} \sum_c x_c[q]\,w_{co}[r]"
DSPREAD = (
    r"dx_c[q] = \sum_{o, r} w_{co}[r]\,dy_o[s\,q - p + d\,r],\quad "
    r"dw_{co}[r] = \sum_q x_c[q]\,dy_o[s\,q - p + d\,r],\quad db_o = \sum_i dy_o[i]"
)

STEP = r"h' = {}\left(W_{{ih}} x + b_{{ih}} + W_{{hh}} h + b_{{hh}}\right)"
LSTM = (
    r"i, f, o = \sigma(W x + b + U h + d),\quad g = \tanh(W_g x + b_g + U_g h + d_g),\quad "
    r"c' = f\,c + i\,g,\quad h' = o \tanh(c')"
)
GRU = (
    r"r, z = \sigma(W x + b + U h + d),\quad n = \tanh\left(W_n x + b_n + r\,(U_n h + d_n)\right),\quad "
    r"h' = (1 - z)\,n + z\,h"
)


VALUES = {
    "rnn_tanh": STEP.format(r"\tanh"),
    "rnn_tanh_cell": STEP.format(r"\tanh"),
    "rnn_relu": STEP.format(r"\mathrm{relu}"),
    "rnn_relu_cell": STEP.format(r"\mathrm{relu}"),
    "lstm": LSTM,
    "lstm_cell": LSTM,
    "gru": GRU,
    "gru_cell": GRU,
    "relu": r"\max(x, 0)",
    "relu6": r"\min(\max(x, 0), 6)",
    "leaky_relu": cases(r"x & x > 0", r"s\,x & \text{else}"),
    "elu": cases(r"x & x > 0", r"\alpha\,(e^x - 1) & \text{else}"),
    "selu": r"\lambda "
    + cases(r"x & x > 0", r"\alpha\,(e^x - 1) & \text{else}")
    + r",\quad \lambda = 1.0507\ldots,\ \alpha = 1.6733\ldots",
    "celu": cases(r"x & x > 0", r"\alpha\,(e^{x / \alpha} - 1) & \text{else}"),
    "gelu": r"x\,\Phi(x),\quad " + PHI,
    "silu": r"\frac{x}{1 + e^{-x}}",
    "mish": r"x \tanh\left(\log(1 + e^x)\right)",
    "softplus": r"\frac{1}{\beta} \log\left(1 + e^{\beta x}\right)",
    "softsign": r"\frac{x}{1 + |x|}",
    "sigmoid": r"\frac{1}{1 + e^{-x}}",
    "logsigmoid": r"-\log\left(1 + e^{-x}\right)",
    "hardsigmoid": r"\min\left(\max\left(\tfrac{x + 3}{6}, 0\right), 1\right)",
    "hardswish": r"x \min\left(\max\left(\tfrac{x + 3}{6}, 0\right), 1\right)",
    "hardtanh": r"\min(\max(x, x_\mathrm{min}), x_\mathrm{max})",
    "hardshrink": cases(r"x & |x| > \lambda", r"0 & \text{else}"),
    "softshrink": r"\mathrm{sign}(x) \max(|x| - \lambda, 0)",
    "tanh": r"\frac{e^x - e^{-x}}{e^x + e^{-x}}",
    "tanhshrink": r"x - \tanh x",
    "threshold": cases(r"x & x > t", r"v & \text{else}"),
    "rrelu": cases(r"x & x > 0", r"s\,x & \text{else}") + r",\quad s \sim U(l, u)",
    "glu": r"a\,\sigma(b)",
    "prelu": cases(r"x & x > 0", r"w\,x & \text{else}"),
    "swish": r"x\,\sigma(\beta x)",
    "parametric_elu": cases(r"x & x > 0", r"\alpha\,(e^x - 1) & \text{else}"),
    "parametric_softplus": r"\frac{1}{\beta} \log\left(1 + e^{\beta x}\right)",
    "parametric_sigmoid": r"\frac{a}{1 + e^{-b x}}",
    "scaled_relu": r"\alpha \max(x, 0)",
    "softmax": r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
    "log_softmax": r"y_i = x_i - m - \log \sum_j e^{x_j - m},\quad m = \max_j x_j",
    "softmin": r"y_i = \frac{e^{-x_i}}{\sum_j e^{-x_j}}",
    "batch_norm": NORM,
    "layer_norm": NORM,
    "group_norm": NORM,
    "instance_norm": NORM,
    "rms_norm": r"y = \frac{x}{\sqrt{\overline{x^2} + \varepsilon}}\,\gamma",
    "switchable_norm": NORM + r",\quad \mu = \sum_k w_k \mu_k,\quad \sigma^2 = \sum_k v_k \sigma_k^2",
    "normalize": r"\frac{x}{\max\left(\lVert x \rVert_p, \varepsilon\right)}",
    "dropout": DROP,
    "dropout1d": DROP,
    "dropout2d": DROP,
    "dropout3d": DROP,
    "alpha_dropout": ALPHA,
    "feature_alpha_dropout": ALPHA,
    "linear": r"y = x\,W^\top + b",
    **{f"conv{dims}d": CONV for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": SPREAD for dims in (1, 2, 3)},
    "bilinear": r"y_o = \sum_{i,j} x_i\,W_{oij}\,x'_j + b_o",
    "embedding": r"y_i = W_{t_i}",
    "embedding_bag": r"y_b = \frac{1}{n_b} \sum_{i \in b} W_{t_i}",
    **{f"max_pool{n}d": r"y_j = \max_t x_{j s - p + t d}" for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": r"y_i = \max_{t \in w_i} x_t,\quad " + COVERING for n in (1, 2, 3)},
    **{f"avg_pool{n}d": r"y_j = \tfrac{1}{k} \sum_t x_{j s - p + t}" for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": r"y_i = \tfrac{1}{|w_i|} \sum_{t \in w_i} x_t,\quad " + COVERING for n in (1, 2, 3)},
    **{f"lp_pool{n}d": r"y_j = \left(\sum_t x_{j s + t}^p\right)^{1 / p}" for n in (1, 2, 3)},
    **{f"max_unpool{n}d": r"y_{i_j} = x_j" for n in (1, 2, 3)},
    "pad": r"y_i = x_{m(i - p)}",
    "interpolate": r"y_i = \sum_t w_{it}\,x_{j_{it}}",
    "unfold": r"y_{(c, i, j), l} = x_{c,\,r_l + i d,\,q_l + j d}",
    "fold": r"y_{c, a, b} = \sum_{r_l + i d = a,\ q_l + j d = b} x_{(c, i, j), l}",
    "pixel_shuffle": r"y_{c,\, h r + i,\, w r + j} = x_{c r^2 + i r + j,\, h,\, w}",
    "pixel_unshuffle": r"y_{c r^2 + i r + j,\, h,\, w} = x_{c,\, h r + i,\, w r + j}",
    "channel_shuffle": r"y_{j g + i} = x_{i C / g + j}",
    "local_response_norm": r"y = \frac{x}{\left(k + \alpha\,\overline{x^2}\right)^\beta}",
    "scaled_dot_product_attention": r"y = \mathrm{softmax}\left(s\,Q K^\top + M\right) V",
    "cross_entropy": r"\ell = -w_t \log \frac{e^{x_t}}{\sum_c e^{x_c}}",
    "nll_loss": r"\ell = -w_t\,x_t",
    "binary_cross_entropy": r"\ell = -w\left(t \log x + (1 - t) \log(1 - x)\right)",
    "binary_cross_entropy_with_logits": r"\ell = -w\left(p\,t \log \sigma(x) + (1 - t) \log(1 - \sigma(x))\right)",
    "mse_loss": r"\ell = (x - t)^2",
    "l1_loss": r"\ell = |x - t|",
    "smooth_l1_loss": r"\ell = "
    + cases(r"(x - t)^2 / 2 \beta & |x - t| < \beta", r"|x - t| - \beta / 2 & \text{else}"),
    "huber_loss": r"\ell = "
    + cases(r"(x - t)^2 / 2 & |x - t| < \delta", r"\delta\left(|x - t| - \delta / 2\right) & \text{else}"),
    "kl_div": r"\ell = t\,(\log t - x)",
    "hinge_embedding_loss": r"\ell = " + cases(r"x & t = 1", r"\max(0, m - x) & t = -1"),
    "margin_ranking_loss": r"\ell = \max\left(0, m - t\,(x_1 - x_2)\right)",
    "poisson_nll_loss": r"\ell = e^x - t x",
    "gaussian_nll_loss": r"\ell = \tfrac{1}{2}\left(\log v + (x - t)^2 / v\right),\; v = \max(\sigma^2, \varepsilon)",
    "cosine_similarity": r"y = \frac{x_1 \cdot x_2}{\max(|x_1|, \varepsilon)\,\max(|x_2|, \varepsilon)}",
    "pairwise_distance": r"y = \left\|x_1 - x_2 + \varepsilon\right\|_p",
    "multi_margin_loss": r"\ell = \frac{w_t}{C} \sum_{i \ne t} \max(0, m - x_t + x_i)^p",
    "multilabel_margin_loss": r"\ell = \frac{1}{C} \sum_{t} \sum_{i \notin t} \max(0, 1 - x_t + x_i)",
    "cosine_embedding_loss": r"\ell = " + cases(r"1 - c & t = 1", r"\max(0, c - m) & t = -1"),
    "multilabel_soft_margin_loss": r"\ell = -\frac{1}{C} \sum_c w_c"
    r"\left(t_c \log \sigma(x_c) + (1 - t_c) \log \sigma(-x_c)\right)",
    "triplet_margin_loss": r"\ell = \max\left(0, m + d(a, p) - d(a, n)\right)",
    "triplet_margin_with_distance_loss": r"\ell = \max\left(0, m + D(a, p) - D(a, n)\right)",
    "ctc_loss": r"\ell = -\log \sum_{\pi \,\text{reads as}\, t} \;\prod_\tau p_{\tau, \pi_\tau}",
    "soft_margin_loss": r"\ell = \log\left(1 + e^{-t x}\right)",
}

DERIVATIVES = {
    "relu": cases(r"dy & x > 0", r"0 & \text{else}"),
    "relu6": cases(r"dy & 0 < x < 6", r"0 & \text{else}"),
    "leaky_relu": cases(r"dy & x > 0", r"s\,dy & \text{else}"),
    "elu": cases(r"dy & x > 0", r"\alpha\,e^x\,dy & \text{else}"),
    "selu": r"\lambda\,dy " + cases(r"1 & x > 0", r"\alpha\,e^x & \text{else}"),
    "celu": cases(r"dy & x > 0", r"e^{x / \alpha}\,dy & \text{else}"),
    "gelu": r"dy\left(\Phi(x) + x\,\varphi(x)\right)",
    "silu": r"dy\,\sigma(x)\left(1 + x\,(1 - \sigma(x))\right)",
    "softplus": r"dy\,\sigma(\beta x)",
    "softsign": r"\frac{dy}{(1 + |x|)^2}",
    "sigmoid": r"dy\,y\,(1 - y)",
    "logsigmoid": r"dy\,\sigma(-x)",
    "tanh": r"dy\,(1 - y^2)",
    "tanhshrink": r"dy \tanh^2 x",
    "mish": r"dy\left(\tanh s + x\,\sigma(x)\,(1 - \tanh^2 s)\right),\quad s = \log(1 + e^x)",
    "softmax": r"dx = y \left(dy - \sum_j y_j\,dy_j\right)",
    "log_softmax": r"dx = dy - e^y \sum_j dy_j",
    "softmin": r"dx = -y \left(dy - \sum_j y_j\,dy_j\right)",
    "batch_norm": DNORM,
    "layer_norm": DNORM,
    "group_norm": DNORM,
    "instance_norm": DNORM,
    "rms_norm": r"dx = r\left(g - \hat{x}\,\overline{g \hat{x}}\right),\quad g = \gamma\,dy,\quad \hat{x} = r\,x",
    "dropout": DDROP,
    "dropout1d": DDROP,
    "dropout2d": DDROP,
    "dropout3d": DDROP,
    "alpha_dropout": DALPHA,
    "feature_alpha_dropout": DALPHA,
    **{f"conv{dims}d": DCONV for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": DSPREAD for dims in (1, 2, 3)},
    "linear": r"dx = dy\,W,\quad dW = dy^\top x,\quad db = \sum dy",
    "scaled_dot_product_attention": r"dV = P^\top dy,\quad dS = P \left(dy\,V^\top - \sum dy\,y\right),\quad "
    r"dQ = s\,dS\,K,\quad dK = s\,dS^\top Q",
    "cross_entropy": r"dx = w_t \left(\mathrm{softmax}(x) - \mathrm{onehot}(t)\right) dy",
    "mse_loss": r"dx = 2\,(x - t)\,dy",
    "l1_loss": r"dx = \mathrm{sign}(x - t)\,dy",
    "binary_cross_entropy": r"dx = \frac{x - t}{x\,(1 - x)}\,dy",
    "kl_div": r"dx = -t\,dy",
    "soft_margin_loss": r"dx = -t\,\sigma(-t x)\,dy",
}

FORMULAS = VALUES | {f"{name}_backward": formula for name, formula in DERIVATIVES.items()}
