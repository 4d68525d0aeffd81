package org.pytorch.executorch;

import java.nio.IntBuffer;
import java.nio.LongBuffer;

/** A part of the class of that name in org.pytorch:executorch-android, to compile against. */
public abstract class Tensor {
    public static native Tensor fromBlob(IntBuffer data, long[] shape);

    public static native Tensor fromBlob(LongBuffer data, long[] shape);

    public abstract float[] getDataAsFloatArray();
}
