package org.pocketbert.app

import android.app.Application
import android.os.Bundle
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.SavedStateHandle
import kotlinx.coroutines.Dispatchers
import org.pocketbert.engines.ExecuTorchFactory
import org.pocketbert.engines.LiteRtFactory
import org.pocketbert.ui.englishSamples
import org.pocketbert.ui.state.Demo
import org.pocketbert.ui.state.Input
import java.io.File

private const val INPUT = "input"

/** Keeps what the screens show over a rotation, and what was put in over the end of the process. */
class DemoHolder(application: Application, saved: SavedStateHandle) :
    AndroidViewModel(application) {
    private val factories = listOf(ExecuTorchFactory(), LiteRtFactory())

    private val first = englishSamples.first()

    private val carried = CarriedBundle(
        BundleInstaller(
            AndroidAssets(application.assets),
            source = "pocketbert",
            target = File(application.noBackupFilesDir, "bundles"),
        ),
        BuildConfig.PUBLIC_KEY,
    )

    val demo = Demo(
        openBundle = { carried.open() },
        factories = factories,
        start = Input.restored(saved.get<Bundle>(INPUT)?.getStringArrayList(INPUT))
            ?: first.run { Input(text, questions.first(), factories.first().backend) },
        worker = Dispatchers.Default,
    )

    init {
        saved.setSavedStateProvider(INPUT) {
            Bundle().apply { putStringArrayList(INPUT, ArrayList(demo.state.value.input.saved())) }
        }
    }

    override fun onCleared() = demo.close()
}
