// Google's repository is asked for what is Google's alone: nobody else can put a library in its place.
pluginManagement {
    repositories {
        google {
            content {
                includeGroupByRegex("androidx(\\..*)?")
                includeGroupByRegex("com\\.android(\\..*)?")
                includeGroupByRegex("com\\.google\\.(ai|android|testing)(\\..*)?")
            }
        }
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google {
            content {
                includeGroupByRegex("androidx(\\..*)?")
                includeGroupByRegex("com\\.android(\\..*)?")
                includeGroupByRegex("com\\.google\\.(ai|android|testing)(\\..*)?")
            }
        }
        mavenCentral()
    }
}

rootProject.name = "pocketbert-android-demo"
include(":core", ":engines", ":ui", ":app")
