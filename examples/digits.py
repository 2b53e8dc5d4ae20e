"""Train a small network on scikit-learn's handwritten digits."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn
from fastnn import nn, optim

fastnn.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(images / 16, labels, test_size=0.2, random_state=0)

model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=2e-3)
rng = np.random.default_rng(0)

for _ in range(20):
    for batch in np.array_split(rng.permutation(len(x)), len(x) // 32):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()

model.eval()
with fastnn.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).mean()
print(f"loss {loss.item():.4f}, accuracy {accuracy:.2%}")
fastnn.save(model.state_dict(), "digits.safetensors")
