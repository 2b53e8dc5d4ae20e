"""The sections of the docstrings that the estimators share."""

PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
    activation : str or callable
        scikit-learn's names, any of fastnn's ("gelu", "mish", "prelu" ...), or a class that makes a layer, such as
        ``nn.PReLU``.
    solver : str
        "adam", "sgd", "lbfgs", or another optimizer's name: "adamw", "nadam", "radam", "rmsprop", "adagrad" ...
    alpha : float
        Strength of the L2 penalty on the weights, divided by the weight of the batch.
    batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start
        As in scikit-learn.
    momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon
        As in scikit-learn.
    n_iter_no_change, max_fun : int
        As in scikit-learn.
    batch_norm, layer_norm : bool
        A norm after each hidden layer, before its activation.
    dropout : float
        The probability with which a hidden unit is dropped in training.
    callbacks : sequence of fastnn.training.Callback, optional
        Told of each batch and epoch.
"""

ATTRIBUTES = """
    Attributes
    ----------
    model_ : fastnn.nn.Sequential
        The network; `fastnn.save(clf.model_.state_dict(), path)` stores its weights, `fastnn.freeze` makes a fast plan.
    coefs_, intercepts_ : list of ndarray
    loss_, best_loss_, loss_curve_, n_iter_, t_, n_layers_, n_outputs_
        As in scikit-learn.
    validation_scores_, best_validation_score_
        After early stopping: the held-out score of each epoch.

    Notes
    -----
    It computes in X's dtype, float32 or float64.  A batch's loss is sum(w loss) / sum(w), so that an integer weight is
    as good as so many copies and 0 as none.
"""
