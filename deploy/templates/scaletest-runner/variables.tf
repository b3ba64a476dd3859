variable "namespace" {
  description = "The namespace that the pods are created in. It must exist."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The namespace is not the name of one: want lower-case letters, digits and hyphens, at most 63."
  }
}

variable "use_kubeconfig" {
  description = "Whether the provisioner takes the cluster and its credentials from ~/.kube/config. Else it takes its own pod's service account."
  type        = bool
  default     = false
}

variable "token_secret" {
  description = "The Kubernetes Secret, in the namespace of the pod, with the token that puts on the load. It must be a site owner's, and live longer than a scale test."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.token_secret))
    error_message = "The name of the Secret is not one: want lower-case letters, digits, hyphens and dots."
  }
}

variable "token_secret_key" {
  description = "The key of the token in that Secret."
  type        = string
  default     = "token"

  validation {
    condition     = can(regex("^[-._a-zA-Z0-9]+$", var.token_secret_key))
    error_message = "The key of the Secret is not one: want letters, digits, hyphens, dots and underscores."
  }
}

variable "coder_url" {
  description = "The address of the deployment that is tested. Empty is the one that this workspace is of."
  type        = string
  default     = ""

  validation {
    condition     = var.coder_url == "" || can(regex("^https?://[^[:space:]@?#/]+(/[^[:space:]?#]*)?$", var.coder_url))
    error_message = "The address of the deployment is not one: want such as https://coder.example.com, without user and password."
  }
}

variable "template_prefix" {
  description = "What the names of the templates of workspaces begin with, before minimal, small, medium, medium-greedy and large."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]*$", var.template_prefix))
    error_message = "The prefix is no part of a template's name: want letters, digits and hyphens."
  }
}

variable "cpu" {
  description = "The cores of the load generator, as request and limit."
  type        = string
  default     = "4"

  validation {
    condition     = can(regex("^[0-9]+m?$", var.cpu))
    error_message = "The cores are no quantity: want such as 4 or 3500m."
  }
}

variable "memory" {
  description = "The memory of the load generator, as request and limit."
  type        = string
  default     = "8Gi"

  validation {
    condition     = can(regex("^[0-9]+[MG]i$", var.memory))
    error_message = "The memory is no quantity: want such as 8Gi."
  }
}

variable "results_size" {
  description = "GiB of a volume for results. 0 takes a folder that goes with the pod, and with it what is known of workspaces that were not deleted."
  type        = number
  default     = 10

  validation {
    condition     = var.results_size >= 0 && floor(var.results_size) == var.results_size
    error_message = "The size of the volume is negative or broken: want a whole number of GiB, or 0 for none."
  }
}

variable "storage_class" {
  description = "The storage class of that volume. Empty is the cluster's default."
  type        = string
  default     = ""
}

variable "stop_minutes" {
  description = "How long it may take to end a scale test and to delete what it has created when the workspace stops."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_minutes >= 1 && floor(var.stop_minutes) == var.stop_minutes
    error_message = "The time to stop is too short or broken: want a whole number of minutes from 1 up."
  }
}

variable "grafana_url" {
  description = "The address of a Grafana whose annotations show the phases. Empty tells none."
  type        = string
  default     = ""

  validation {
    condition     = var.grafana_url == "" || can(regex("^https?://[^[:space:]@]+$", var.grafana_url))
    error_message = "The address of Grafana is not one: want such as https://grafana.example.com, without user and password."
  }
}

variable "grafana_secret" {
  description = "The Secret with the token of a Grafana service account that may write annotations, as token. Empty is no token."
  type        = string
  default     = ""

  validation {
    condition     = var.grafana_secret == "" || can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.grafana_secret))
    error_message = "The name of the Secret is not one: want lower-case letters, digits, hyphens and dots."
  }
}

variable "webhook_url" {
  description = "The address that gets a message at each phase, as Slack takes them. It can be read in the workspace: take webhook_secret if it is a secret."
  type        = string
  default     = ""

  validation {
    condition     = var.webhook_url == "" || can(regex("^https?://[^[:space:]@]+$", var.webhook_url))
    error_message = "The address of the webhook is not one: want such as https://chat.example.com/hook, without user and password."
  }
}

variable "webhook_secret" {
  description = "The Secret with the address of the webhook, as url. Empty is none."
  type        = string
  default     = ""

  validation {
    condition     = var.webhook_secret == "" || can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.webhook_secret))
    error_message = "The name of the Secret is not one: want lower-case letters, digits, hyphens and dots."
  }
}

variable "workspace_image" {
  description = "The image of the workspace. It needs sh, and curl, wget or busybox to fetch the agent."
  type        = string
  default     = "codercom/enterprise-base:ubuntu"

  validation {
    condition     = can(regex("^[^[:space:]]+$", var.workspace_image))
    error_message = "The workspace image is empty or has spaces: want the name of an image."
  }
}

variable "scaletest_image" {
  description = "The image that has /scaletest and /scaletest.test, which run the scale test."
  type        = string
  default     = "ghcr.io/coderscale/scaletest:latest"

  validation {
    condition     = can(regex("^[^[:space:]]+$", var.scaletest_image))
    error_message = "The scaletest image is empty or has spaces: want the name of an image that has /scaletest."
  }
}

variable "image_pull_policy" {
  description = "When images are pulled: IfNotPresent, Always or Never. Always makes each start load the registry."
  type        = string
  default     = "IfNotPresent"

  validation {
    condition     = contains(["IfNotPresent", "Always", "Never"], var.image_pull_policy)
    error_message = "The image pull policy is unknown: want IfNotPresent, Always or Never."
  }
}

variable "user_id" {
  description = "The user and group that everything runs as. It must be one that the workspace image is made for."
  type        = number
  default     = 1000

  validation {
    condition     = var.user_id > 0 && floor(var.user_id) == var.user_id
    error_message = "The user is no user or root: want a whole number from 1 up."
  }
}

variable "arch" {
  description = "The architecture of the nodes: amd64 or arm64. Both images must have it."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.arch)
    error_message = "The architecture is unknown: want amd64 or arm64."
  }
}

# Variables of Coder's templates are text, numbers or booleans. So these two are text.

variable "node_affinity" {
  description = "Labels and the values of which a node must have one, as YAML or JSON: {cloud.google.com/gke-nodepool: [workspaces]}. Every label counts. None takes any node."
  type        = string
  default     = "{}"

  validation {
    condition = try(alltrue([for label, values in yamldecode(var.node_affinity) :
      can(regex("^[^[:space:]]+$", label)) && length([for v in values : tostring(v)]) > 0
    ]), false)
    error_message = "The node affinity is not labels with a list of values each: want such as {cloud.google.com/gke-nodepool: [workspaces]}, or {} for any node."
  }
}

variable "tolerations" {
  description = "Taints of nodes that pods are scheduled to all the same, as YAML or JSON: [{key: dedicated, value: scaletest, effect: NoSchedule}]. A toleration without a value takes any; without an effect it is for all of them."
  type        = string
  default     = "[]"

  validation {
    condition = try(alltrue([for t in yamldecode(var.tolerations) :
      can(regex("^[^[:space:]]+$", t.key)) &&
      contains(["", "NoSchedule", "PreferNoSchedule", "NoExecute"], try(t.effect, "")) &&
      length(setsubtract(keys(t), ["key", "value", "effect"])) == 0
    ]), false)
    error_message = "The tolerations are not a list of key, value and effect: want such as [{key: dedicated, value: scaletest, effect: NoSchedule}], where the effect is NoSchedule, PreferNoSchedule or NoExecute, or [] for none."
  }
}

variable "subdomain" {
  description = "Whether the app has a subdomain of its own. The deployment needs a wildcard address for that."
  type        = bool
  default     = false
}
