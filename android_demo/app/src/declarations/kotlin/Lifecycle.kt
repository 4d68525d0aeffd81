package androidx.lifecycle

import android.app.Application
import android.os.Bundle

abstract class ViewModel {
    protected open fun onCleared(): Unit = TODO()
}

open class AndroidViewModel(application: Application) : ViewModel() {
    val declared = application
}

class SavedStateHandle {
    fun <T> get(key: String): T? = TODO(key)

    fun setSavedStateProvider(key: String, provider: () -> Bundle): Unit = TODO("$key $provider")
}
