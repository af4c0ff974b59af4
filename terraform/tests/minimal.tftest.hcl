mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  prefect_api_url     = "https://prefect.example.org/api"
  mlflow_tracking_uri = "https://mlflow.example.org"
}

run "the_cheapest_example_plans_and_says_what_python_reads" {
  command = plan

  module {
    source = "./examples/minimal"
  }

  assert {
    condition     = join(",", sort(keys(output.mlops))) == "alarm_topic_arn,buckets,contract,image,landing_queue_url,ledger,log_groups,name,observer_queue_name,personal_key_secret_arn,prefect,region,serving,tracking,work_pool"
    error_message = "The output `mlops` has other keys than those that the Python side reads."
  }

  assert {
    condition     = jsondecode(output.mlops.work_pool.base_job_template).variables.properties.vpc_id.default == module.network.vpc_id && output.mlops.serving == null
    error_message = "Flows run in another VPC, or models are served that nobody asked for."
  }
}
