"""The design of the original project, rebuilt from its description for comparison.

Flask, synchronous: the request itself reads the file with pydicom, resizes it with
``cv2.resize`` (cubic) and calls Keras's ``model.predict``, then stores a row. It runs the
same weights as PneumoniApp: ``BENCHMARK_KERAS_MODEL`` names the ``.keras`` file and
``BENCHMARK_DATABASE`` the SQLite file.
"""

import io
import os
import sqlite3

import cv2
import numpy as np
import pydicom
from flask import Flask, jsonify, request
from keras.models import load_model

LABELS = ("normal", "lung_opacity", "not_normal")

app = Flask(__name__)
model = load_model(os.environ["BENCHMARK_KERAS_MODEL"], compile=False)
DATABASE = os.environ["BENCHMARK_DATABASE"]
with sqlite3.connect(DATABASE) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS reading (label TEXT, probability REAL)")


@app.post("/analyse")
def analyse():
    pixels = pydicom.dcmread(io.BytesIO(request.files["file"].read())).pixel_array
    image = cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_CUBIC)
    batch = np.repeat(image[np.newaxis, :, :, np.newaxis] / 255.0, 3, axis=3)
    answer = model.predict(batch, verbose=0)
    probabilities = (answer["probabilities"] if isinstance(answer, dict) else answer)[0]
    best = int(np.argmax(probabilities))
    with sqlite3.connect(DATABASE, timeout=20) as connection:
        connection.execute(
            "INSERT INTO reading VALUES (?, ?)", (LABELS[best], float(probabilities[best]))
        )
    return jsonify(label=LABELS[best], probability=float(probabilities[best]))


@app.get("/ready")
def ready():
    return "ready"
