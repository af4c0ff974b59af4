output "zone_id" {
  description = "Id of the private zone."
  value       = aws_route53_zone.this.zone_id
}

output "fqdns" {
  description = "Whole name of each record."
  value       = { for key, record in aws_route53_record.this : key => record.fqdn }
}
