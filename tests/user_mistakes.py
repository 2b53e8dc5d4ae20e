"""Mistakes of users: a type checker finds each, and nothing else.  Never run."""

import numpy as np

import fastnn
from fastnn import nn, optim, training
from fastnn.nn import functional as F

x = np.zeros((4, 8), np.float32)
t = fastnn.tensor(x, requires_grad=True)
model = nn.Sequential(nn.Linear(8, 2), nn.ReLU())

fastnn.gelu(x, nonsense=1)  # mistake: no such argument
fastnn.gelo(x)  # mistake: no such function
F.gelo(x)  # mistake: nor here
fastnn.Tranier(model)  # mistake: no such class
training.EarlyStoping("loss")  # mistake: nor here
nn.Lineer(8, 2)  # mistake: no such layer
F.relu("text")  # mistake: no array
F.leaky_relu(t, negative_slope="0.1")  # mistake: no number
F.linear(t)  # mistake: no weight
F.relu(x).backward()  # mistake: an array has no gradient
F.mse_loss(x, x).backward()  # mistake: nor has a loss of arrays
fastnn.softmax(t, 1).astyp(float)  # mistake: no such method
fastnn.sigmoid(x).argmaxx(1)  # mistake: likewise of an array
scores: fastnn.Tensor = fastnn.gelu(x)  # mistake: an array
plain: np.ndarray = F.relu(input=t)  # mistake: a Tensor
F.gelu_backward(x)  # mistake: the input is missing
nn.Linear(8)  # mistake: the outputs are missing
nn.ReLU(inplac=True)  # mistake: no such argument
nn.CrossEntropyLoss(label_smoothing="a")  # mistake: no number
optim.SGD(model.parameters(), lr=[0.1])  # mistake: one rate for each group stands in the group
optim.lr_scheduler.StepLR(optim.Adam(model.parameters()), step=3)  # mistake: step_size
fastnn.save(x, "x.safetensors")  # mistake: arrays have names
fastnn.load(3.5)  # mistake: no path
fastnn.set_num_threads("2")  # mistake: no integer
